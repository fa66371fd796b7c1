/* atelier help: commands, options, values and topics; the same as manual pages and as completion.
 */
#include "command.h"

#include "completion.h"
#include "form_print.h"
#include "known.h"
#include "manual.h"
#include "options.h"
#include "topics.h"
#include <stdlib.h>
#include <string.h>

const char help_about[] = "Renders neural style transfers (Gatys, Ecker & Bethge 2015): one "
                          "picture, or sweeps of them by\n"
                          "the thousand.";

struct request {
    const char *subject, *folder; /* a command or a topic; NULL: all of it */
    bool man;
    int completion; /* the position in "bash zsh"; -1: none */
};

static const char *subject_names(void)
{
    static char names[256];
    *names = 0;
    for (int i = 0; i < command_count + topic_count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? " " : "",
                 i < command_count ? commands[i].name : topics[i - command_count].name);
    }
    return names;
}

static void check(void *context, const struct form *form, struct complaints *complaints)
{
    const struct request *r = context;
    (void)form;
    if (r->man + (r->completion >= 0) + (r->folder != NULL) > 1)
        complain(complaints, (struct origin){0},
                 "--man, --completion and --write exclude each other");
    if (r->subject && (r->completion >= 0 || r->folder))
        complain(complaints, (struct origin){0}, "--%s is for all commands together",
                 r->folder ? "write" : "completion");
}

static void describe(struct request *r, struct form *form)
{
    const struct argument rows[] = {
        OPTION("man", FLAG, &r->man, NULL,
               "print the manual page: atelier help render --man | man -l -"),
        OPTION("completion", CHOICE, &r->completion, "SHELL",
               "print what a shell completes by: source <(atelier help --completion bash)",
               .choices = "bash zsh"),
        OPTION(
            "write", TEXT, &r->folder, "DIR",
            "write every manual page and completion to DIR/man, DIR/bash-completion and DIR/zsh"),
    };
    *form = (struct form){
        .usage = "[COMMAND|TOPIC] [options]",
        .text = "Explains a command and its options or a topic, or lists what there is and what "
                "values may be.",
        .operands = {.list = &r->subject,
                     .max = 1,
                     .names = "[COMMAND|TOPIC]",
                     .words = "COMMAND",
                     .choices = subject_names()},
        .check = check,
        .context = r,
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_help(struct form *form)
{
    static struct request request;
    describe(&request, form);
}

/* --- on a terminal --- */

void help_overview(FILE *to)
{
    fprintf(to, "%s\n\nusage: atelier COMMAND [options]\n\n", help_about);
    for (int i = 0; i < command_count; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n'atelier help COMMAND' explains one; 'atelier --version' says what it runs on. "
          "Also:\n\n",
          to);
    for (int i = 0; i < topic_count; i++)
        fprintf(to, "  atelier help %-10s %s\n", topics[i].name, topics[i].summary);
}

static int explain(const struct command *command)
{
    struct form form;
    if (!command) {
        help_overview(stdout);
        putchar('\n');
        options_print_tables(stdout);
        return 0;
    }
    command->describe(&form);
    form_print(stdout, command->name, &form);
    return 0;
}

/* --- files --- */

/* Caller closes; NULL: err says why. */
static FILE *open_in(const char *folder, const char *below, const char *name, struct error *err)
{
    char *place = NULL, *path = NULL;
    FILE *file = NULL;
    if (asprintf(&place, "%s/%s", folder, below) < 0 || asprintf(&path, "%s/%s", place, name) < 0)
        fail(err, E_ENVIRONMENT, "not enough memory");
    else if (known_make_folder(place, err) == 0 && !(file = fopen(path, "we")))
        fail_errno(err, "cannot write '%s'", path);
    free(place);
    free(path);
    return file;
}

static int close_written(FILE *file, const char *folder, struct error *err)
{
    return fclose(file) == 0 ? 0 : fail_errno(err, "cannot write into '%s'", folder);
}

static int write_topic(const char *folder, const struct topic *topic, struct error *err)
{
    char name[64];
    snprintf(name, sizeof name, "atelier-%s.7", topic->name);
    FILE *file = open_in(folder, "man/man7", name, err);
    if (!file)
        return err->code;
    manual_write_topic(file, topic);
    return close_written(file, folder, err);
}

static int write_page(const char *folder, const struct command *command, struct error *err)
{
    char name[64];
    snprintf(name, sizeof name, "atelier%s%s.1", command ? "-" : "", command ? command->name : "");
    FILE *file = open_in(folder, "man/man1", name, err);
    if (!file)
        return err->code;
    manual_write(file, command);
    return close_written(file, folder, err);
}

static int write_completion(const char *folder, const char *below, const char *name,
                            void (*write)(FILE *), struct error *err)
{
    FILE *file = open_in(folder, below, name, err);
    if (!file)
        return err->code;
    write(file);
    return close_written(file, folder, err);
}

static int write_all(const char *folder, struct error *err)
{
    int status = 0;
    TRY(write_page(folder, NULL, err));
    for (int i = 0; i < command_count; i++)
        TRY(write_page(folder, &commands[i], err));
    for (int i = 0; i < topic_count; i++)
        TRY(write_topic(folder, &topics[i], err));
    TRY(write_completion(folder, "bash-completion/completions", "atelier", completion_write_bash,
                         err));
    TRY(write_completion(folder, "zsh/site-functions", "_atelier", completion_write_zsh, err));
done:
    return status;
}

static int explain_topic(const struct topic *topic, bool man)
{
    if (man)
        manual_write_topic(stdout, topic);
    else
        printf("%s: %s\n\n%s", topic->name, topic->summary, topic->text);
    return 0;
}

static int act(void *context, struct error *err)
{
    const struct request *r = context;
    const struct command *command = r->subject ? command_find(r->subject) : NULL;
    const struct topic *topic = r->subject ? topic_find(r->subject) : NULL;
    if (topic)
        return explain_topic(topic, r->man);
    if (r->subject && !command)
        return unknown_command(r->subject);
    if (r->folder)
        return write_all(r->folder, err);
    if (r->completion >= 0)
        (r->completion == 0 ? completion_write_bash : completion_write_zsh)(stdout);
    else if (r->man)
        manual_write(stdout, command);
    else
        return explain(command);
    return 0;
}

int command_help(int argc, char **argv)
{
    struct request request = {.completion = -1};
    struct form form;
    describe(&request, &form);
    if (strcmp(argv[0], "help") != 0) /* --help or -h */
        argv[0] = "help";
    return command_perform(argc, argv, &form, act, &request);
}
