#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

bool tool_present(const char *name)
{
    const char *path = getenv("PATH");
    char text[4096];
    for (; path && *path; path += strcspn(path, ":"), path += *path == ':') {
        snprintf(text, sizeof text, "%.*s/%s", (int)strcspn(path, ":"), path, name);
        if (access(text, X_OK) == 0)
            return true;
    }
    return false;
}

/* A file in memory, to be read from its start. */
static int memory_file(const char *content)
{
    int file = memfd_create("atelier", MFD_CLOEXEC);
    size_t length = content ? strlen(content) : 0;
    if (file >= 0 && length > 0 &&
        (write(file, content, length) != (ssize_t)length || lseek(file, 0, SEEK_SET) != 0)) {
        close(file);
        return -1;
    }
    return file;
}

static char *content_of(int file)
{
    off_t size = lseek(file, 0, SEEK_END);
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (!text)
        return NULL;
    ssize_t got = pread(file, text, (size_t)size, 0);
    size_t length = got > 0 ? (size_t)got : 0;
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = 0;
    return text;
}

/* Output goes to files in memory: no pipe can fill up, however much is said. */
static int run(const char *const *argv, const int files[3], int *how, struct error *err)
{
    pid_t pid;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, files[i], i);
    int number = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (number == ENOENT)
        return fail(err, E_ENVIRONMENT, "%s is not installed here", argv[0]);
    if (number != 0) {
        errno = number;
        return fail_errno(err, "cannot start %s", argv[0]);
    }
    while (waitpid(pid, how, 0) < 0)
        if (errno != EINTR)
            return fail_errno(err, "cannot wait for %s", argv[0]);
    return 0;
}

int tool_run(const char *const *argv, const char *input, struct tool_output *out, struct error *err)
{
    int status = 0, how = 0;
    int files[3] = {memory_file(input), memory_file(NULL), memory_file(NULL)};
    if (files[0] < 0 || files[1] < 0 || files[2] < 0) {
        status = fail_errno(err, "cannot run %s", argv[0]);
        goto done;
    }
    TRY(run(argv, files, &how, err));
    struct tool_output made = {.code = WIFEXITED(how) ? WEXITSTATUS(how) : 128 + WTERMSIG(how),
                               .out = content_of(files[1]),
                               .err = content_of(files[2])};
    if (made.out && made.err) {
        *out = made;
    } else {
        tool_release(&made);
        status = fail(err, E_ENVIRONMENT, "not enough memory");
    }
done:
    for (int i = 0; i < 3; i++)
        if (files[i] >= 0)
            close(files[i]);
    return status;
}

void tool_release(struct tool_output *output)
{
    free(output->out);
    free(output->err);
    *output = (struct tool_output){0};
}
