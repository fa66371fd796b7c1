/* atelier report: a store as a web page to look at and to compare in; a contact sheet or loss
 * curves for papers and slides. */
#include "command.h"

#include "clock.h"
#include "commit.h"
#include "curves_draw.h"
#include "drawing.h"
#include "human.h"
#include "left_out.h"
#include "report.h"
#include "sheet_draw.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct request {
    const char *store, *output, *sheet, *curves_file;
    struct axes_wish wish;
    struct curves curves;
    int by;
    bool embed, quiet;
};

static void describe(struct request *r, struct form *form)
{
    const struct argument rows[] = {
        OPTION("output", TEXT, &r->output, "FILE", "the page; default STORE/report.html"),
        OPTION("embed", FLAG, &r->embed, NULL,
               "put the full pictures inside, too; else they are linked"),
        OPTION("rows", TEXT, &r->wish.rows, "PARAMETER",
               "rows of the contact sheet, or none; default: the one with most values"),
        OPTION("columns", TEXT, &r->wish.columns, "PARAMETER",
               "its columns, or none; default: the number with most values, up to 12"),
        OPTION("colour", TEXT, &r->wish.colour, "PARAMETER",
               "what colours the curves, or none; default: the columns'"),
        OPTION("sheet", TEXT, &r->sheet, "FILE", "write the contact sheet as a picture: FILE.png"),
        OPTION("curves", TEXT, &r->curves_file, "FILE",
               "write the loss curves as a picture: FILE.png or FILE.svg"),
        OPTION("loss", TEXT, &r->curves.loss, "NAME",
               "of --curves: total, content, style, tv, style_relu1_1, ..., terms or layers"),
        OPTION("by", CHOICE, &r->by, "WORD", "of --curves: what goes across; default evaluations",
               .choices = "evaluations seconds steps"),
        OPTION("linear", FLAG, &r->curves.linear, NULL, "of --curves: no logarithms"),
        OPTION("quiet", FLAG, &r->quiet, NULL, "say nothing when it is done"),
    };
    *form = (struct form){
        .usage = "STORE [options]",
        .text =
            "Writes STORE/report.html: one page that opens from disk in any browser, with the\n"
            "contact sheet, loss curves, a table of runs, failures and their reasons, times, and\n"
            "how it was made. It may be written at any time, while a batch is at work, too.\n"
            "With --sheet or --curves only those are written, unless --output asks for the page.",
        .operands = OPERAND_STORE(&r->store),
        .exit_codes = "0 done; 1 done, but some results are unreadable (listed) and only their "
                      "place is shown; 2 wrong input; 3 disk or memory",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_report(struct form *form)
{
    static struct request request;
    describe(&request, form);
}

static uint64_t file_bytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static void say_written(const struct request *request, const char *path, const char *how)
{
    char size[HUMAN_TEXT];
    if (!request->quiet)
        printf("%s: %s%s\n", path, human_bytes(file_bytes(path), size), how);
}

/* Whether the file's folder is the store's, as the disk has them. */
static bool is_beside(const char *path, const struct store *store)
{
    char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
    struct stat here, there;
    if (slash)
        slash[slash == folder] = '\0';
    bool beside = folder && stat(slash ? folder : ".", &here) == 0 &&
                  stat(store->folder, &there) == 0 && here.st_dev == there.st_dev &&
                  here.st_ino == there.st_ino;
    free(folder);
    return beside;
}

static int write_page(const struct request *request, const struct runs *runs,
                      const struct axes *axes, struct error *err)
{
    int status;
    char made[CLOCK_TEXT];
    char *otherwise = request->output ? NULL : store_path(&runs->store, STORE_REPORT);
    const char *path = request->output ? request->output : otherwise;
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory for a report");
    struct report report = {.runs = runs,
                            .axes = axes,
                            .creator = "atelier " ATELIER_VERSION " (" ATELIER_COMMIT ")",
                            .made = clock_utc(clock_now(), made),
                            .beside = is_beside(path, &runs->store),
                            .embed = request->embed};
    TRY(report_write(&report, path, err));
    say_written(request, path, "; open it in a browser");
done:
    free(otherwise);
    return status;
}

static int draw_pictures(const struct request *request, const struct runs *runs,
                         const struct axes *axes, struct error *err)
{
    int status = 0;
    if (!drawing_has_font() && !request->quiet)
        fprintf(stderr,
                "atelier report: there is no font on this machine, so letters are plain and "
                "some are missing; fonts-dejavu-core has good ones\n");
    if (request->sheet) {
        TRY(sheet_draw(runs, axes, request->sheet, err));
        say_written(request, request->sheet, "");
    }
    if (request->curves_file) {
        TRY(curves_draw(runs, axes, &request->curves, request->curves_file, err));
        say_written(request, request->curves_file, "");
    }
done:
    drawing_forget_fonts();
    return status;
}

static int act(void *context, struct error *err)
{
    struct request *request = context;
    int status;
    struct runs runs = {0};
    struct axes axes = {0};
    request->curves.by = (enum curves_by)request->by;
    TRY(runs_read(request->store, &runs, err));
    TRY(axes_choose(&runs, &request->wish, &axes, err));
    if (request->sheet || request->curves_file)
        TRY(draw_pictures(request, &runs, &axes, err));
    if (request->output || (!request->sheet && !request->curves_file))
        TRY(write_page(request, &runs, &axes, err));
    status = left_out_list(&runs, 0, err);
done:
    axes_release(&axes);
    runs_release(&runs);
    return status;
}

int command_report(int argc, char **argv)
{
    struct request request = {.curves.loss = "total"};
    struct form form;
    describe(&request, &form);
    return command_perform(argc, argv, &form, act, &request);
}
