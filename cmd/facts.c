#include "facts.h"

#include "clock.h"
#include "commit.h"
#include "compare.h"
#include "memory.h"
#include "numbers.h"
#include "numerics.h"
#include "shell.h"
#include "start.h"
#include "threads.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void add_text(struct facts *facts, const char *name, const char *text)
{
    facts->list[facts->count++] = (struct fact){.name = name, .text = text};
}

static void add_number(struct facts *facts, const char *name, double number)
{
    facts->list[facts->count++] = (struct fact){.name = name, .number = number};
}

/* argv begins with the subcommand. */
static char *command_line(int argc, char **argv)
{
    char *words = shell_command(argc, argv), *line = NULL;
    if (words && asprintf(&line, "atelier %s", words) < 0)
        line = NULL;
    free(words);
    return line;
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
    facts->command_line = command_line(argc, argv);
    if (!facts->command_line)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    gethostname(facts->host, sizeof facts->host - 1);
    clock_utc(clock_now(), facts->started);
    numerics_fingerprint(params->precision, facts->numerics, sizeof facts->numerics);
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
    if (weights->guessed)
        add_text(facts, "weights_input_guessed_from", weights->guessed);
    if (weights->by_shape)
        add_text(facts, "weights_layers_guessed_from", "shapes and order");
    network_engines(plan->convs, plan_arithmetic(params), facts->engines, sizeof facts->engines);
    add_text(facts, "engines", facts->engines);
    add_number(facts, "width", plan->width);
    add_number(facts, "height", plan->height);
    add_number(facts, "style_width", plan->style_width);
    add_number(facts, "style_height", plan->style_height);
    add_text(facts, "date_started", facts->started);
done:
    return status;
}

/* Whether a fact or a JOB parameter has that name already. */
static bool is_taken(const struct facts *facts, const char *name)
{
    for (size_t i = 0; i < facts->count; i++)
        if (strcmp(facts->list[i].name, name) == 0)
            return true;
    for (int i = 0; i < PARAM_COUNT; i++)
        if (strcmp(param_table[i].name, name) == 0)
            return true;
    return false;
}

/* One NAME=VALUE, cut apart in place. */
static int add_given(struct facts *facts, char *given, struct error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    char *value = strchr(given, '=');
    double number;
    if (value)
        *value++ = 0;
    if (!value || !*given || given[strspn(given, letters)] || is_taken(facts, given))
        return fail(err, E_INPUT, "ATELIER_FACTS has no good name in '%s'", given);
    if (facts->count + FACTS_LATER >= FACTS_MAX)
        return fail(err, E_INPUT, "ATELIER_FACTS has too many facts");
    if (number_parse(value, &number))
        add_number(facts, given, number);
    else
        add_text(facts, given, value);
    return 0;
}

int facts_add_job(struct facts *facts, const struct vgg19_weights *weights, const char *id,
                  const char *name, int attempts, struct error *err)
{
    int status = 0;
    const char *given = getenv("ATELIER_FACTS");
    char *rest = facts->given = strdup(given ? given : "");
    if (!rest)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(weights_digest(weights, facts->tensors, err));
    add_text(facts, "weights_tensor_sha256", facts->tensors);
    add_text(facts, "id", id);
    if (name)
        add_text(facts, "name", name);
    for (char *one; (one = strsep(&rest, ";"));)
        if (*one)
            TRY(add_given(facts, one, err));
    if (!is_taken(facts, "attempts"))
        add_number(facts, "attempts", attempts);
done:
    return status;
}

void facts_add_numerics_before(struct facts *facts, const char *fingerprints)
{
    add_text(facts, NUMERICS_BEFORE, fingerprints);
    facts_comment(facts, "a part of it was computed with other numerics (" NUMERICS_BEFORE
                         "): its bytes are not those of an undisturbed run");
}

void facts_comment(struct facts *facts, const char *format, ...)
{
    size_t used = strlen(facts->comment), room = sizeof facts->comment - used;
    va_list args;
    if (used > 0)
        used += (size_t)snprintf(facts->comment + used, room, "; ");
    else
        add_text(facts, "comment", facts->comment);
    va_start(args, format);
    vsnprintf(facts->comment + used, sizeof facts->comment - used, format, args);
    va_end(args);
}

void facts_add_picture_row(struct facts *facts, size_t row, double total)
{
    add_number(facts, "picture_row", (double)row);
    add_number(facts, "picture_total", total);
}

int facts_add_picture(struct facts *facts, const char *path, struct error *err)
{
    int status = digest_file(path, facts->picture, err);
    if (status == 0)
        add_text(facts, "picture_sha256", facts->picture);
    return status;
}

static double cpu_seconds(void)
{
    struct timespec used;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0
               ? (double)used.tv_sec + 1e-9 * (double)used.tv_nsec
               : 0;
}

void facts_end(struct facts *facts, enum optimiser_end end, const struct render_state *state)
{
    clock_utc(clock_now(), facts->finished);
    add_text(facts, "date_finished", facts->finished);
    add_text(facts, "stopped", optimiser_end_word(end));
    add_number(facts, "evaluations", (double)state->evaluations);
    add_number(facts, "outer_iterations", (double)state->iteration);
    add_number(facts, "seconds", state->seconds);
    add_number(facts, "cpu_seconds", cpu_seconds());
    add_number(facts, "peak_memory_bytes", (double)memory_peak());
}

void facts_release(struct facts *facts)
{
    free(facts->command_line);
    free(facts->given);
}
