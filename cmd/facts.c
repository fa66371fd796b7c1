#include "facts.h"

#include "clock.h"
#include "commit.h"
#include "memory.h"
#include "numerics.h"
#include "start.h"
#include "threads.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void add_text(struct facts *facts, const char *name, const char *text)
{
    facts->list[facts->count++] = (struct fact){.name = name, .text = text};
}

static void add_number(struct facts *facts, const char *name, double number)
{
    facts->list[facts->count++] = (struct fact){.name = name, .number = number};
}

/* The command as a shell takes it: words with anything unusual in them in single quotes. */
static char *quote_command(int argc, char **argv)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./=:,+@%";
    size_t size = sizeof "atelier";
    for (int i = 0; i < argc; i++)
        size += 4 * strlen(argv[i]) + 3;
    char *text = malloc(size), *at = text;
    if (!text)
        return NULL;
    at = stpcpy(at, "atelier");
    for (int i = 0; i < argc; i++) {
        *at++ = ' ';
        if (*argv[i] && strspn(argv[i], plain) == strlen(argv[i])) {
            at = stpcpy(at, argv[i]);
            continue;
        }
        *at++ = '\'';
        for (const char *c = argv[i]; *c; c++)
            if (*c == '\'')
                at = stpcpy(at, "'\\''");
            else
                *at++ = *c;
        *at++ = '\'';
    }
    *at = 0;
    return text;
}

static int digest_inputs(const struct params *params, struct facts *facts, struct error *err)
{
    int status = 0;
    TRY(digest_file(params->content, facts->content, err));
    TRY(digest_file(params->style, facts->style, err));
    if (init_is_file(params->init))
        TRY(digest_file(params->init, facts->init, err));
done:
    return status;
}

static void list_libraries(struct facts *facts)
{
    struct library list[LIBRARIES_CORE];
    libraries_core(list);
    char *text = facts->libraries;
    size_t size = sizeof facts->libraries, used = 0;
    for (int i = 0; i < LIBRARIES_CORE && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s %s; ", list[i].name, list[i].version);
    if (used < size)
        snprintf(text + used, size - used, "HDF5 %s", result_hdf5_version());
}

int facts_begin(int argc, char **argv, const struct params *params, const struct plan *plan,
                const struct vgg19_weights *weights, struct facts *facts, struct error *err)
{
    int status = 0;
    *facts = (struct facts){0};
    TRY(digest_inputs(params, facts, err));
    memcpy(facts->weights, weights->digest, sizeof facts->weights);
    snprintf(facts->weights_source, sizeof facts->weights_source, "%s", weights->source);
    snprintf(facts->weights_convention, sizeof facts->weights_convention, "%s",
             weights->convention);
    facts->command_line = quote_command(argc, argv);
    if (!facts->command_line)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    gethostname(facts->host, sizeof facts->host - 1);
    clock_utc(clock_now(), facts->started);
    numerics_fingerprint(ATELIER_VERSION " " ATELIER_COMMIT, facts->numerics,
                         sizeof facts->numerics);
    list_libraries(facts);
    add_text(facts, "creator", "atelier");
    add_text(facts, "creator_version", ATELIER_VERSION);
    add_text(facts, "git_commit", ATELIER_COMMIT);
    add_text(facts, "command_line", facts->command_line);
    add_text(facts, "host", facts->host);
    add_number(facts, "threads", threads_count());
    add_text(facts, "instruction_set", numerics_instruction_set());
    add_text(facts, "libraries", facts->libraries);
    add_text(facts, "numerics", facts->numerics);
    add_text(facts, "content_sha256", facts->content);
    add_text(facts, "style_sha256", facts->style);
    add_text(facts, "weights_sha256", facts->weights);
    if (facts->init[0])
        add_text(facts, "init_sha256", facts->init);
    add_text(facts, "weights_format", facts->weights_source);
    add_text(facts, "weights_input", facts->weights_convention);
    add_number(facts, "width", plan->width);
    add_number(facts, "height", plan->height);
    add_number(facts, "style_width", plan->style_width);
    add_number(facts, "style_height", plan->style_height);
    add_text(facts, "date_started", facts->started);
done:
    return status;
}

void facts_end(struct facts *facts, enum optimiser_end end, const struct render_state *state)
{
    clock_utc(clock_now(), facts->finished);
    add_text(facts, "date_finished", facts->finished);
    add_text(facts, "stopped", optimiser_end_word(end));
    add_number(facts, "evaluations", (double)state->evaluations);
    add_number(facts, "outer_iterations", (double)state->iteration);
    add_number(facts, "seconds", state->seconds);
    add_number(facts, "peak_memory_bytes", (double)memory_peak());
}

void facts_release(struct facts *facts) { free(facts->command_line); }
