/* What a result file says beside its parameters: who made it, on what, from which inputs. */
#ifndef ATELIER_FACTS_H
#define ATELIER_FACTS_H

#include "clock.h"
#include "digest.h"
#include "error.h"
#include "optimiser.h"
#include "params.h"
#include "plan.h"
#include "result.h"
#include "vgg19.h"

enum { FACTS_MAX = 48, FACTS_LATER = 12 /* room for what is known at the end */ };

/* Texts live as long as the struct. */
struct facts {
    size_t count;
    struct fact list[FACTS_MAX];
    char *command_line;
    char *given; /* what ATELIER_FACTS said, cut apart */
    char host[256], started[CLOCK_TEXT], finished[CLOCK_TEXT];
    char numerics[512], libraries[1024];
    char content[DIGEST_HEX], style[DIGEST_HEX], init[DIGEST_HEX], weights[DIGEST_HEX];
    char picture[DIGEST_HEX], tensors[DIGEST_HEX];
    char engines[256];
    char comment[512];
    char weights_source[64], weights_convention[16];
};

/* Digests the inputs and collects all that is known before the render. facts must not move
 * afterwards. Owned: facts_release. */
int facts_begin(int argc, char **argv, const struct params *params, const struct plan *plan,
                const struct vgg19_weights *weights, struct facts *facts, struct error *err);

/* Adds what a job of a store has beside: its id, its name (borrowed, NULL: none), which attempt
 * this is, and what the environment says: ATELIER_FACTS=attempts=2;rank=3;predicted_seconds=12.5
 * Errors: E_INPUT: a name there is no name, or taken. */
int facts_add_job(struct facts *facts, const struct vgg19_weights *weights, const char *id,
                  const char *name, int attempts, struct error *err);

/* Adds the fingerprints that computed a part of it before this process, borrowed. */
void facts_add_numerics_before(struct facts *facts, const char *fingerprints);

/* A sentence to know with the result: an attribute `comment`, as CF has it. At most two. */
void facts_comment(struct facts *facts, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds which row of the history the picture is of, and its loss, where that is not the last. */
void facts_add_picture_row(struct facts *facts, size_t row, double total);

/* Adds the digest of the picture's file. */
int facts_add_picture(struct facts *facts, const char *path, struct error *err);

/* Adds how it ended. */
void facts_end(struct facts *facts, enum optimiser_end end, const struct render_state *state);

void facts_release(struct facts *facts);

#endif
