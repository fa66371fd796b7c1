/* Runs a fuzz target once on every file of the folders it is given: what fuzzing found stays found.
 * No file at all is a failure. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static int replay(const char *path)
{
    enum { MOST = 1 << 24 };
    FILE *file = fopen(path, "rb");
    unsigned char *bytes = malloc(MOST);
    size_t count = file && bytes ? fread(bytes, 1, MOST, file) : 0;
    int status = !file || !bytes || ferror(file) || !feof(file);
    if (file)
        fclose(file);
    if (!status)
        LLVMFuzzerTestOneInput(bytes, count);
    else
        fprintf(stderr, "cannot read %s\n", path);
    free(bytes);
    return status;
}

int main(int argc, char **argv)
{
    int files = 0, status = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        for (struct dirent *entry; folder && (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            status |= replay(path);
            files++;
        }
        if (folder)
            closedir(folder);
    }
    printf("%d files\n", files);
    return status || files == 0;
}
