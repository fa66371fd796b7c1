/* Draws the sample pictures: draw OUTDIR [NAME...] */
#include "draw_pictures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct picture {
    const char *name;
    void (*draw)(struct canvas *out);
    int quality;
} pictures[] = {
    {"harbour", draw_harbour, 93},
    {"swirls", draw_swirls, 92},
    {"mosaic", draw_mosaic, 92},
    {"woodcut", draw_woodcut, 92},
};

enum { N_PICTURES = sizeof pictures / sizeof *pictures };

static int wanted(const char *name, int n_names, char **names)
{
    for (int i = 0; i < n_names; i++)
        if (!strcmp(name, names[i]))
            return 1;
    return n_names == 0;
}

static int known(const char *name)
{
    for (int i = 0; i < N_PICTURES; i++)
        if (!strcmp(name, pictures[i].name))
            return 1;
    return 0;
}

static int draw_one(const struct picture *picture, const char *directory)
{
    char path[4096];
    int length = snprintf(path, sizeof path, "%s/%s.jpg", directory, picture->name);
    if (length < 0 || (size_t)length >= sizeof path) {
        fprintf(stderr, "draw: the path of '%s' is too long\n", directory);
        return -1;
    }
    struct canvas canvas;
    picture->draw(&canvas);
    int status = canvas_save(&canvas, path, picture->quality);
    canvas_release(&canvas);
    return status;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: draw OUTDIR [harbour | swirls | mosaic | woodcut]...\n");
        return EXIT_FAILURE;
    }
    for (int i = 2; i < argc; i++)
        if (!known(argv[i])) {
            fprintf(stderr, "draw: no picture is called '%s'\n", argv[i]);
            return EXIT_FAILURE;
        }
    for (int i = 0; i < N_PICTURES; i++)
        if (wanted(pictures[i].name, argc - 2, argv + 2) && draw_one(&pictures[i], argv[1]))
            return EXIT_FAILURE;
    return EXIT_SUCCESS;
}
