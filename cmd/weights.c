/* atelier weights: what weight files there are, and what one holds. */
#include "command.h"

#include "builtin.h"
#include "compare.h"
#include "fetch.h"
#include "human.h"
#include "known.h"
#include "network_name.h"
#include "options.h"
#include "stop.h"
#include "terminal.h"
#include "weights.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct request {
    const char *fetch;
    const char *files[2];
    size_t count;
};

static const char *known_names(void)
{
    static char names[OPTION_WORDS];
    *names = 0;
    for (int i = 0; i < known_file_count; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", used ? " " : "", known_files[i].name);
    }
    return names;
}

static void check(void *context, const struct form *form, struct complaints *complaints)
{
    struct request *request = context;
    request->count = form->operands.count;
    if (request->fetch && request->count > 0)
        complain(complaints, (struct origin){0}, "--fetch NAME takes no FILE: '%s' is one too many",
                 request->files[0]);
}

static void describe(struct request *request, struct form *form)
{
    const struct argument rows[] = {
        OPTION("fetch", TEXT, &request->fetch, "NAME",
               "download a published file into the cache, resumable, verified",
               .choices = known_names()),
    };
    *form = (struct form){
        .usage = "\nFILE\nFILE FILE\n--fetch NAME",
        .text =
            "Lists the published files; says what a file holds and which one it is; compares two\n"
            "files layer by layer; downloads one.\n\n"
            "FILE may be a weight file, a published file's NAME once it is fetched, builtin (the\n"
            "trained network that is part of atelier) or random:SEED (untrained filters).\n"
            "A published NAME works as --weights NAME, too. The cache is $ATELIER_CACHE, else\n"
            "$XDG_CACHE_HOME/atelier, else ~/.cache/atelier.",
        .operands = {.list = request->files,
                     .max = 2,
                     .names = "FILE, FILE FILE or --fetch NAME",
                     .words = "FILE",
                     .choices = known_names()},
        .check = check,
        .context = request,
        .exit_codes =
            "0 done; 1 two files hold different networks; 2 wrong input; 3 disk, memory or "
            "network",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_weights(struct form *form)
{
    static struct request request;
    describe(&request, form);
}

static const char *convention_name(int convention)
{
    static const char *const names[] = {
        [CONVENTION_AUTO] = "unknown: give --weights-convention caffe or torchvision",
        [CONVENTION_CAFFE] = "caffe (BGR 0..255 minus the mean)",
        [CONVENTION_TORCHVISION] = "torchvision (RGB 0..1, normalised)",
    };
    return names[convention];
}

/* Of a file: a guess is called one. */
static void print_input(const struct weights_origin *origin)
{
    printf("input     %s", convention_name(origin->convention));
    if (origin->guessed)
        printf(", guessed from %s: --weights-convention wins over it", origin->guessed);
    printf("\n");
}

/* --- the list --- */

static void print_known(const struct known_file *file)
{
    char bytes[HUMAN_TEXT];
    printf("%s\n  file        %s%s%s\n", file->name, file->file, file->bytes ? ", " : "",
           file->bytes ? human_bytes(file->bytes, bytes) : "");
    printf("  address     %s\n", file->address ? file->address : file->page);
    if (file->sha256)
        printf("  SHA-256     %s%s\n", file->sha256, strlen(file->sha256) < 64 ? "..." : "");
    if (file->md5)
        printf("  MD5         %s\n", file->md5);
    printf("  input       %s\n", convention_name(file->convention));
    if (file->licence)
        printf("  licence     %s\n", file->licence);
    if (file->note)
        printf("  note        %s\n", file->note);
}

static int list_known(void)
{
    printf("builtin\n  part of atelier: a trained VGG-19, used unless --weights says otherwise;\n"
           "  'atelier weights builtin' says how it was trained\n");
    printf("random:SEED\n  made from a seed: untrained filters, for comparison\n");
    for (int i = 0; i < known_file_count; i++)
        print_known(&known_files[i]);
    printf("\nThe first name of each published file works with --weights once\n"
           "'atelier weights --fetch NAME' has got it; the first two always do.\n");
    return 0;
}

/* --- one file --- */

/* One side of what is asked about: a file as it is, or a network of the program's own. */
struct side {
    char *path; /* NULL: no file */
    struct vgg19_weights weights;
    struct weights_origin origin;
};

static int read_side(const char *name, int convs, struct side *side, struct error *err)
{
    enum network_kind kind;
    uint64_t seed;
    int status;
    TRY(network_name_parse(name, &kind, &seed, err));
    if (kind != NETWORK_FILE) {
        TRY(weights_load(name, CONVENTION_AUTO, convs, &side->weights, err));
        side->origin = (struct weights_origin){
            .format = kind == NETWORK_BUILTIN ? "built in" : "made from a seed",
            .convention = CONVENTION_CAFFE};
    } else {
        if (!side->path)
            TRY(weights_path(name, &side->path, err));
        TRY(weights_read(side->path, convs, &side->weights, &side->origin, err));
    }
done:
    return status;
}

/* As many convolutions as there are: a file may hold fewer than 16. *rest says what ended it. */
static int read_most(const char *name, struct side *side, struct error *rest, struct error *err)
{
    if (read_side(name, VGG19_CONVS, side, rest) == 0)
        return 0;
    for (int convs = VGG19_CONVS - 1; convs > 1; convs--)
        if (read_side(name, convs, side, err) == 0)
            return 0;
    return read_side(name, 1, side, err);
}

static void side_release(struct side *side)
{
    free(side->path);
    vgg19_weights_release(&side->weights);
}

static double root_mean_square(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum / (double)count);
}

static void print_layers(const struct vgg19_weights *weights)
{
    printf("layer     kernel               rms of kernel   rms of bias\n");
    for (int i = 0; i < weights->convs; i++) {
        const struct vgg19_conv *c = &vgg19_convs[i];
        char name[LAYER_NAME], shape[32];
        layer_name((struct layer){.conv = i, .kind = LAYER_CONV}, name);
        snprintf(shape, sizeof shape, "3 x 3 x %d x %d", c->in, c->out);
        printf("%-9s %-20s %-15.4g %.4g\n", name, shape,
               root_mean_square(weights->kernel[i], (size_t)9 * (size_t)c->in * (size_t)c->out),
               root_mean_square(weights->bias[i], (size_t)c->out));
    }
}

static int show(const char *name, struct error *err)
{
    int status = 0;
    char digest[DIGEST_HEX];
    struct side side = {0};
    struct error rest = {0};
    struct digests of_file;
    TRY(read_most(name, &side, &rest, err));
    TRY(weights_digest(&side.weights, digest, err)); /* of the layers there are */
    const struct weights_origin *origin = &side.origin;
    if (side.path)
        TRY(digests_file(side.path, &of_file, err));
    const struct known_file *known = side.path ? known_by_digests(&of_file) : NULL;
    printf("weights   %s\nformat    %s\n", side.path ? side.path : name, origin->format);
    if (side.path)
        printf("known as  %s\n", known ? known->name : "no published file");
    print_input(origin);
    if (side.weights.by_shape)
        printf("layers    guessed: which tensor is which is told by shapes and order alone\n");
    if (strcmp(side.weights.source, "builtin") == 0)
        printf("%s", builtin_facts());
    if (side.path)
        printf("SHA-256   %s\n", of_file.sha256);
    printf("numbers   %s (SHA-256 of the %d layers' kernels and biases, as stored)\n", digest,
           side.weights.convs);
    print_layers(&side.weights);
    if (side.weights.convs < VGG19_CONVS)
        printf("then      %s\n", rest.message);
done:
    side_release(&side);
    return status;
}

/* --- two files --- */

static int compare(const char *first, const char *second, struct error *err)
{
    int status = 0, same = 0;
    struct side a = {0}, b = {0};
    struct error rest;
    TRY(read_most(first, &a, &rest, err));
    TRY(read_most(second, &b, &rest, err));
    int convs = a.weights.convs < b.weights.convs ? a.weights.convs : b.weights.convs;
    for (int i = 0; i < convs; i++) {
        struct comparison c = weights_compare(&a.weights, &b.weights, i);
        char name[LAYER_NAME];
        layer_name((struct layer){.conv = i, .kind = LAYER_CONV}, name);
        if (c.kernel_equal)
            printf("%-9s kernels %s; biases %s\n", name, kernel_change_name(c.change),
                   c.bias_equal ? "equal" : "differ");
        else
            printf("%-9s kernels differ by up to %.3g; biases %s\n", name, c.largest,
                   c.bias_equal ? "equal" : "differ");
        same += c.kernel_equal && c.bias_equal;
    }
    printf("%d of %d layers hold the same numbers\n", same, convs);
    if (a.origin.convention != b.origin.convention)
        printf("but their inputs differ: %s; %s\n", convention_name(a.origin.convention),
               convention_name(b.origin.convention));
    if (same < convs)
        status = fail(err, E_FAILED, "'%s' and '%s' are different networks", first, second);
done:
    side_release(&a);
    side_release(&b);
    return status;
}

/* --- fetching --- */

static int show_progress(void *context, uint64_t bytes, uint64_t total)
{
    char line[128], done[HUMAN_TEXT], all[HUMAN_TEXT];
    (void)context;
    if (!isatty(STDERR_FILENO))
        return stop_requested();
    if (total)
        snprintf(line, sizeof line, "%s of %s (%.0f %%)", human_bytes(bytes, done),
                 human_bytes(total, all), 100.0 * (double)bytes / (double)total);
    else
        snprintf(line, sizeof line, "%s", human_bytes(bytes, done));
    terminal_redraw(line, terminal_width(stderr) - 1);
    return stop_requested();
}

static int fetch(const char *name, struct error *err)
{
    int status = 0;
    char *path = NULL;
    const struct known_file *file;
    struct fetch how = {.progress = show_progress};
    TRY(known_find(name, &file, err));
    stop_install();
    status = fetch_file(file, &how, &path, err);
    if (isatty(STDERR_FILENO))
        terminal_erase();
    if (status == 0)
        printf("%s\nUse it with --weights %s\n", path, file->name);
done:
    free(path);
    return status;
}

static int act(void *context, struct error *err)
{
    const struct request *r = context;
    if (r->fetch)
        return fetch(r->fetch, err);
    if (r->count == 0)
        return list_known();
    return r->count == 1 ? show(r->files[0], err) : compare(r->files[0], r->files[1], err);
}

int command_weights(int argc, char **argv)
{
    struct request request = {0};
    struct form form;
    describe(&request, &form);
    return command_perform(argc, argv, &form, act, &request);
}
