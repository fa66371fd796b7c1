/* atelier verify: is a store what it should be? */
#include "store_verify.h"

#include "claim.h"
#include "command.h"
#include "json_file.h"
#include "outlet.h"
#include "result.h"
#include "stop.h"
#include "store_clean.h"
#include "terminal.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* After so long a batch that was killed has no child left that writes. */
static const double lost_after_s = 60;

struct request {
    const char *store;
    bool repair, json, quiet;
};

static void describe(struct request *request, struct form *form)
{
    const struct argument rows[] = {
        OPTION("repair", FLAG, &request->repair, NULL,
               "remove what a new batch will render again, and what killed processes left"),
        OPTION("json", FLAG, &request->json, NULL, "print JSON"),
        OPTION("quiet", FLAG, &request->quiet, NULL, "print nothing but what is wrong"),
    };
    *form = (struct form){
        .usage = "STORE [options]",
        .text = "Reads every result and compares it with its digests, its picture, its id and the\n"
                "manifest. A result is\n"
                "  damaged   not what was published, or not all there\n"
                "  stale     sound, but an image it was made from has changed or is gone\n"
                "  missing   not rendered yet, or failed\n"
                "  unlisted  sound, but no job of the manifest",
        .operands = OPERAND_STORE(&request->store),
        .exit_codes = "0 every job has a sound result; 1 not; 2 wrong input; 3 disk, memory, or "
                      "(with --repair) a batch is at work",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_verify(struct form *form)
{
    static struct request request;
    describe(&request, form);
}

/* --- checking --- */

static bool on_should_stop(void *context)
{
    (void)context;
    return stop_requested();
}

static void on_result(void *context, size_t checked, size_t of)
{
    const struct request *request = context;
    char line[64] = "";
    if (request->quiet || !isatty(STDERR_FILENO))
        return;
    if (checked < of)
        snprintf(line, sizeof line, "%zu of %zu results", checked, of);
    terminal_redraw(line, terminal_width(stderr) - 1);
}

struct work {
    struct store store;
    struct verification found;
    struct store_cleaning cleaned;
};

/* Nobody may render meanwhile. */
static int repair(struct work *work, struct error *err)
{
    int status = 0;
    TRY(verify_repair(&work->store, &work->found, err));
    TRY(store_clean(&work->store, lost_after_s, &work->cleaned, err));
done:
    return status;
}

static int check(const struct request *request, struct work *work, struct error *err)
{
    struct claim claim;
    struct error late;
    struct verify_hooks hooks = {(void *)(uintptr_t)request, on_result, on_should_stop};
    struct claim_hooks waiting = {.should_stop = on_should_stop};
    if (!request->repair)
        return verify_store(&work->store, &hooks, &work->found, err);
    int status = claim_take(&work->store, lost_after_s, &waiting, &claim, err);
    if (status != 0)
        return status;
    status = verify_store(&work->store, &hooks, &work->found, err);
    if (status == 0)
        status = repair(work, err);
    int released = claim_release(&work->store, &claim, &late);
    return status != 0 ? status : released != 0 ? fail(err, released, "%s", late.message) : 0;
}

/* --- saying --- */

static size_t count_removed(const struct verification *found)
{
    size_t removed = 0;
    for (size_t i = 0; i < found->count; i++)
        removed += found->list[i].removed;
    return removed;
}

static void print_findings(const struct verification *found)
{
    for (size_t i = 0; i < found->count; i++) {
        const struct finding *f = &found->list[i];
        printf("%-8s  %s  ", finding_word(f->kind), f->id);
        outlet_line(stdout, f->name ? f->name : "");
        fputs(f->name ? ": " : "", stdout);
        outlet_line(stdout, f->why);
        puts(f->removed ? " (removed)" : "");
    }
}

/* Worth a word only where results cannot be compared bit for bit. */
static void print_numerics(const struct numerics_tally *tally)
{
    if (!numerics_tally_mixed(tally))
        return;
    for (size_t i = 0; i < tally->count; i++) {
        printf("%s  %zu result%s, precision %s: ", i ? "        " : "numerics",
               tally->kinds[i].results, tally->kinds[i].results == 1 ? "" : "s",
               tally->kinds[i].precision);
        outlet_line(stdout, tally->kinds[i].numerics);
        putchar('\n');
    }
    if (tally->continued > 0)
        printf("          %zu of them began with others (" NUMERICS_BEFORE ")\n", tally->continued);
    puts("          results of one kind are comparable bit for bit, of another up to rounding");
}

static void print_report(const struct request *request, const struct work *work)
{
    const struct verification *found = &work->found;
    print_findings(found);
    if (request->quiet)
        return;
    printf("%zu jobs: %zu sound", found->jobs, found->sound);
    for (int kind = 0; kind < FINDINGS; kind++)
        if (found->kinds[kind] > 0)
            printf(", %zu %s", found->kinds[kind], finding_word((enum finding_kind)kind));
    putchar('\n');
    print_numerics(&found->numerics);
    if (request->repair)
        printf("removed: %zu damaged results, %llu files that killed processes left\n",
               count_removed(found), (unsigned long long)work->cleaned.temporaries);
    if (found->kinds[FOUND_DAMAGED] > 0 && !request->repair)
        puts("'atelier verify --repair' removes what is damaged, for 'atelier batch' to render "
             "again");
    else if (found->kinds[FOUND_MISSING] + found->kinds[FOUND_DAMAGED] > 0)
        puts("'atelier batch' renders what is missing");
}

static json_t *pack_numerics(const struct numerics_tally *tally)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tally->count; i++)
        json_array_append_new(list, json_pack("{s:o, s:o, s:I}", "precision",
                                              json_any_text(tally->kinds[i].precision), "numerics",
                                              json_any_text(tally->kinds[i].numerics), "results",
                                              (json_int_t)tally->kinds[i].results));
    return list;
}

static json_t *pack_finding(const struct finding *f)
{
    return json_pack("{s:s, s:s, s:o, s:b, s:b, s:o}", "kind", finding_word(f->kind), "id", f->id,
                     "name", json_any_text(f->name), "listed", f->listed, "removed", f->removed,
                     "why", json_any_text(f->why));
}

static int print_json(const struct work *work, struct error *err)
{
    const struct verification *found = &work->found;
    json_t *list = json_array(), *counts = json_object();
    for (size_t i = 0; i < found->count; i++)
        json_array_append_new(list, pack_finding(&found->list[i]));
    for (int kind = 0; kind < FINDINGS; kind++)
        json_object_set_new(counts, finding_word((enum finding_kind)kind),
                            json_integer((json_int_t)found->kinds[kind]));
    json_t *all = json_pack(
        "{s:o, s:I, s:I, s:o, s:I, s:I, s:o, s:o, s:I}", "store", json_any_text(work->store.folder),
        "jobs", (json_int_t)found->jobs, "sound", (json_int_t)found->sound, "counts", counts,
        "removed", (json_int_t)count_removed(found), "temporaries_removed",
        (json_int_t)work->cleaned.temporaries, "findings", list, "numerics",
        pack_numerics(&found->numerics), "continued", (json_int_t)found->numerics.continued);
    char *text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;
    json_decref(all);
    if (!text)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    puts(text);
    free(text);
    return 0;
}

static int act(void *context, struct error *err)
{
    const struct request *request = context;
    int status = 0;
    struct work work = {0};
    TRY(store_open(request->store, &work.store, err));
    TRY(check(request, &work, err));
    if (request->json)
        TRY(print_json(&work, err));
    else
        print_report(request, &work);
    status = verification_good(&work.found) ? 0 : E_FAILED;
done:
    verification_release(&work.found);
    store_release(&work.store);
    return status;
}

int command_verify(int argc, char **argv)
{
    struct request request = {0};
    struct form form;
    describe(&request, &form);
    stop_install();
    return command_perform(argc, argv, &form, act, &request);
}
