#include "command.h"

#include "inheritance.h"
#include "openmp_set_up.h"
#include "outlet.h"
#include "words.h"
#include <malloc.h>
#include <stdio.h>
#include <string.h>

const struct command commands[] = {
    {"render", command_render, "render one picture: content, style, output", describe_render},
    {"expand", command_expand, "check a sweep file or manifest and list its jobs", describe_expand},
    {"batch", command_batch, "render a whole sweep, on one rank or many", describe_batch},
    {"plan", command_plan, "predict time and memory of a sweep, and what to ask of Slurm",
     describe_plan},
    {"submit", command_submit, "send a sweep to Slurm, and look after it there", describe_submit},
    {"status", command_status, "what of a sweep is done, running, failed, and why",
     describe_status},
    {"show", command_show, "print one result: parameters, facts, loss curve", describe_show},
    {"collect", command_collect, "gather a store into tables for analysis", describe_collect},
    {"report", command_report, "show a sweep as a web page, a contact sheet or curves",
     describe_report},
    {"verify", command_verify, "check every result of a store, and repair it", describe_verify},
    {"bench", command_bench, "measure how fast this machine evaluates, and where time goes",
     describe_bench},
    {"weights", command_weights, "list, fetch, identify and compare weight files",
     describe_weights},
    {"help", command_help, "explain a command and its options", describe_help},
};
const int command_count = sizeof commands / sizeof *commands;

int unknown_command(const char *name)
{
    const char *names[sizeof commands / sizeof *commands];
    char nearest[128];
    for (int i = 0; i < command_count; i++)
        names[i] = commands[i].name;
    words_nearest(name, names, (size_t)command_count, nearest, sizeof nearest);
    fprintf(stderr, "atelier: unknown command '%s'%s%s\n", name, nearest[0] ? "; nearest: " : "",
            nearest);
    fprintf(stderr, "atelier: 'atelier help' lists the commands\n");
    return 2;
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        help_overview(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        print_version();
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct command *command = command_find(name);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(name);
}

/* glibc goes over to keeping what is freed once something as large was freed before, 20 MB of a
 * small render in all, of which a plan's promise knows nothing. */
static void give_back_large_blocks(void)
{
    enum { LARGE_BYTES = 1 << 20 };
#ifdef M_MMAP_THRESHOLD
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
#endif
}

int main(int argc, char **argv)
{
    inheritance_mend();
    openmp_set_up(argv);
    outlet_open();
    give_back_large_blocks();
    return outlet_close(run(argc, argv));
}
