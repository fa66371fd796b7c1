#include "claim.h"

#include "files.h"
#include "json_file.h"
#include "publish.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char successor_name[] = ".claim.after.", staged_name[] = ".claim.tmp.",
                  aside_name[] = ".claim.of.";
static const double look_s = 0.05;
/* A live owner in sight may be on its way out: killed a moment ago, say. */
static const double grace_s = 2;

static int fail_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

/* --- processes --- */

/* Field 22 of /proc/PID/stat; 0: no such process, or only its exit code is left of it. */
static uint64_t process_start(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[length > 0 ? length : 0] = 0;
    char *at = strrchr(text, ')'); /* the name before it may hold anything */
    if (!at || !at[1] || !at[2] || strchr("ZX", at[2]))
        return 0;
    for (int field = 2; field < 22 && at; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* What tells this machine's run and its process numbers from all others; empty where unknown. */
static void find_place(struct claim *claim)
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (file && fscanf(file, "%39s", claim->boot) != 1)
        claim->boot[0] = 0;
    if (file)
        fclose(file);
    ssize_t length = readlink("/proc/self/ns/pid", claim->pid_space, sizeof claim->pid_space - 1);
    claim->pid_space[length > 0 ? length : 0] = 0;
}

/* Whether a process of that number is there that /proc does not show, as with hidepid. */
static bool is_hidden(pid_t pid)
{
    return process_start(pid) == 0 && kill(pid, 0) != 0 && errno == EPERM;
}

static bool is_near(const struct claim *who)
{
    struct claim here = {0};
    find_place(&here);
    return here.boot[0] && here.pid_space[0] && strcmp(here.boot, who->boot) == 0 &&
           strcmp(here.pid_space, who->pid_space) == 0;
}

/* Whether its process shows who lives; otherwise only the heartbeat does. */
static bool can_judge(const struct claim *who) { return is_near(who) && !is_hidden(who->pid); }

/* --- the file --- */

static json_t *pack(const struct claim *claim)
{
    return json_pack("{s:o, s:I, s:I, s:s, s:s, s:s, s:s, s:i}", "host", json_any_text(claim->host),
                     "pid", (json_int_t)claim->pid, "pid_start", (json_int_t)claim->pid_start,
                     "boot", claim->boot, "pid_space", claim->pid_space, "nonce", claim->nonce,
                     "started", claim->started, "ending", (int)claim->ending);
}

static void unpack(const json_t *object, struct claim *out)
{
    *out = (struct claim){.pid = (pid_t)json_whole(object, "pid", 0),
                          .pid_start = (uint64_t)json_whole(object, "pid_start", 0),
                          .ending = json_whole(object, "ending", 0) != 0};
    json_copy_text(object, "nonce", out->nonce, sizeof out->nonce);
    json_copy_text(object, "host", out->host, sizeof out->host);
    json_copy_text(object, "started", out->started, sizeof out->started);
    json_copy_text(object, "boot", out->boot, sizeof out->boot);
    json_copy_text(object, "pid_space", out->pid_space, sizeof out->pid_space);
}

/* Who is named in a file, and whether that one lives. */
struct sight {
    struct claim who; /* empty nonce: there is no such file */
    bool unreadable;  /* nobody knows whose it is: its nonce tells it from other files */
    enum claim_state state;
    struct timespec touched; /* its heartbeat */
    double age;              /* of that, in seconds */
};

/* A power cut may leave anything in a file that an unsynced disk or an older program has written:
 * it must not block the store for ever, and is dead once nobody has touched it for long. */
static void take_for_somebody(const struct stat *info, struct sight *out)
{
    out->unreadable = true;
    snprintf(out->who.nonce, sizeof out->who.nonce, "%016llx%08llx%08lx",
             (unsigned long long)info->st_ino,
             (unsigned long long)info->st_mtim.tv_sec & 0xffffffff,
             (unsigned long)info->st_mtim.tv_nsec & 0xffffffff);
    strcpy(out->who.host, "an unknown host");
    strcpy(out->who.started, "an unknown time");
}

static bool is_denied(const char *path) { return access(path, R_OK) != 0 && errno == EACCES; }

/* Reading comes first: what opens a file is shown its newest attributes, on NFS, too. */
static int read_claim(const char *path, struct sight *out, struct error *err)
{
    json_t *object = NULL;
    struct stat info;
    struct sight seen = {0};
    int status = json_file_read(path, &object, err);
    if (status != 0 && status != E_INPUT && !is_denied(path))
        return status;
    bool stands = lstat(path, &info) == 0;
    if (!stands && errno != ENOENT) {
        json_decref(object);
        return fail_errno(err, "cannot look at '%s'", path);
    }
    if (stands && S_ISDIR(info.st_mode))
        return fail(err, E_INPUT, "'%s' is not a claim of atelier's: it is a folder", path);
    if (stands && status != 0)
        take_for_somebody(&info, &seen);
    else if (stands && object)
        unpack(object, &seen.who);
    else
        stands = false;
    json_decref(object);
    if (stands && !seen.who.nonce[0])
        return fail(err, E_INPUT, "'%s' is not a claim of atelier's", path);
    if (stands)
        seen.touched = info.st_mtim;
    *out = seen;
    return 0;
}

static double seconds_between(struct timespec from, struct timespec to)
{
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

static void judge(struct sight *seen, struct timespec now, double lost_after_s)
{
    if (!seen->who.nonce[0])
        return; /* CLAIM_FREE */
    seen->age = fmax(seconds_between(seen->touched, now), 0);
    bool dead = can_judge(&seen->who) ? process_start(seen->who.pid) != seen->who.pid_start
                                      : seen->age > lost_after_s;
    seen->state = dead ? CLAIM_DEAD : CLAIM_ALIVE;
}

/* Who may not write there has only this host's clock. */
static struct timespec time_in(const struct store *store)
{
    struct timespec now;
    if (publish_clock(store->folder, &now) != 0)
        clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

int claim_look(const struct store *store, double lost_after_s, struct claim *who,
               enum claim_state *state, double *age, struct error *err)
{
    struct sight seen;
    char *path = store_path(store, STORE_CLAIM);
    int status = path ? read_claim(path, &seen, err) : fail_memory(err);
    free(path);
    if (status != 0)
        return status;
    judge(&seen, time_in(store), lost_after_s);
    *who = seen.who;
    *state = seen.state;
    *age = seen.age;
    return 0;
}

/* --- taking it --- */

/* One who wants the claim. */
struct taker {
    const char *folder;        /* the store's */
    char *path;                /* of the claim */
    struct publication staged; /* our own, beside it */
    const char *own;           /* the same, or its link: some file systems move it there */
    struct claim self;
    double lost_after_s;
    /* whom it waits for, since when, and the heartbeat that it saw first */
    char waits_for[NONCE_TEXT];
    double since;
    struct timespec first_touched;
};

static int make_nonce(char nonce[NONCE_TEXT], struct error *err)
{
    unsigned char bytes[(NONCE_TEXT - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        return fail_errno(err, "no random numbers");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static int describe_self(struct claim *self, struct error *err)
{
    *self = (struct claim){.pid = getpid(), .pid_start = process_start(getpid())};
    gethostname(self->host, sizeof self->host - 1);
    clock_utc(clock_now(), self->started);
    find_place(self);
    return make_nonce(self->nonce, err);
}

/* Touches our own file, which shows that we live, and tells the file system's time by it. */
static int tell_time(const struct taker *t, struct timespec *now, struct error *err)
{
    struct stat info;
    if (files_touch(t->own) != 0 || lstat(t->own, &info) != 0)
        return fail_errno(err, "cannot write '%s'", t->path);
    *now = info.st_mtim;
    return 0;
}

static int look(const struct taker *t, const char *path, struct sight *out, struct error *err)
{
    struct timespec now = {0};
    int status = 0;
    TRY(read_claim(path, out, err));
    TRY(tell_time(t, &now, err));
    judge(out, now, t->lost_after_s);
done:
    return status;
}

/* We were so silent for so long that somebody took us for dead. */
static bool is_revoked(const struct taker *t)
{
    struct stat info;
    return lstat(t->staged.temporary, &info) != 0 && errno == ENOENT;
}

static DIR *list(const char *path)
{
    int folder = files_open_folder(path);
    return folder < 0 ? NULL : fdopendir(folder);
}

/* Takes the right to replace the claim from a dead successor, whose link is given: its own file
 * goes by every name but that one. Should it wake up, it finds nothing that it could rename. */
static void disown(const struct taker *t, const char *link)
{
    struct stat theirs, info;
    DIR *entries = lstat(link, &theirs) == 0 ? list(t->folder) : NULL;
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (strncmp(entry->d_name, staged_name, strlen(staged_name)) == 0 &&
            fstatat(dirfd(entries), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            info.st_ino == theirs.st_ino && info.st_dev == theirs.st_dev)
            unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
}

/* Becomes the one successor of a dead owner, or of the last dead one in the chain behind it. *link
 * is ours then, caller frees; NULL where somebody was faster, whom *seen shows. */
static int join_chain(struct taker *t, const struct sight *dead, struct sight *seen, char **link,
                      struct error *err)
{
    *seen = *dead;
    do {
        char *path = NULL;
        if (asprintf(&path, "%s/%s%s", t->folder, successor_name, seen->who.nonce) < 0)
            return fail_memory(err);
        if (files_link(t->staged.temporary, path) == 0) {
            *link = path;
            t->own = is_revoked(t) ? path : t->staged.temporary;
            return 0;
        }
        int status =
            errno == EEXIST ? look(t, path, seen, err) : fail_errno(err, "cannot write '%s'", path);
        if (status == 0 && seen->state == CLAIM_DEAD)
            disown(t, path);
        free(path);
        if (status != 0)
            return status;
    } while (seen->state == CLAIM_DEAD);
    *link = NULL;
    return 0;
}

/* Of a chain: a link of another taker, or what an owner has put aside that was killed while it
 * released its claim. */
static bool is_cleared(const struct taker *t, const char *name)
{
    size_t stem = strlen(successor_name);
    if (strncmp(name, successor_name, stem) == 0)
        return strcmp(name + stem, t->self.nonce) != 0;
    return strncmp(name, aside_name, strlen(aside_name)) == 0;
}

/* All links but our own successor's: their owners' nonces never come again. Whoever still is on the
 * way by one of them, because it looked at the claim before we had it, finds nothing to rename. */
static void clear_chains(const struct taker *t)
{
    DIR *entries = list(t->folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        char *path = NULL;
        if (!is_cleared(t, entry->d_name))
            continue;
        if (asprintf(&path, "%s/%s", t->folder, entry->d_name) >= 0)
            disown(t, path);
        free(path);
        unlinkat(dirfd(entries), entry->d_name, 0);
    }
    if (entries)
        closedir(entries);
}

/* Having got the claim: nobody else can get it in the place of an earlier owner any more, and it
 * still is ours. */
static int settle(const struct taker *t, bool *taken, struct error *err)
{
    struct sight now;
    clear_chains(t);
    int status = read_claim(t->path, &now, err);
    *taken = status == 0 && strcmp(now.who.nonce, t->self.nonce) == 0;
    return status;
}

/* As its last successor, replaces the claim of a dead owner if that still is what stands there. Our
 * file is the link itself where the file system has no others. A server that answers twice may say
 * that a rename failed which was made. */
static int replace_dead(const struct taker *t, const struct claim *dead, bool *taken,
                        struct error *err)
{
    struct sight now;
    int status = look(t, t->path, &now, err);
    if (status != 0 || strcmp(now.who.nonce, dead->nonce) != 0)
        return status;
    *taken = files_rename(t->own, t->path) == 0;
    if (*taken)
        return 0;
    if (errno != ENOENT)
        return fail_errno(err, "cannot write '%s'", t->path);
    status = read_claim(t->path, &now, err);
    *taken = status == 0 && strcmp(now.who.nonce, t->self.nonce) == 0;
    return status;
}

/* The link stays where somebody may build on it: after an error the claim may still be X's. */
static int take_over(struct taker *t, const struct sight *dead, struct sight *seen, bool *taken,
                     struct error *err)
{
    char *link;
    int status = join_chain(t, dead, seen, &link, err);
    if (status != 0 || !link)
        return status;
    status = replace_dead(t, &dead->who, taken, err);
    if (status == 0 && !*taken)
        files_unlink(link);
    free(link);
    t->own = t->staged.temporary;
    *seen = (struct sight){0}; /* if not taken, somebody was faster: look again */
    return status;
}

/* One try. Where it fails because of somebody, *seen shows whom; nobody: try again at once. */
static int try_once(struct taker *t, struct sight *seen, bool *taken, struct error *err)
{
    struct sight owner;
    *seen = (struct sight){0};
    int status = look(t, t->path, &owner, err);
    if (status != 0)
        return status;
    if (owner.state == CLAIM_DEAD)
        return take_over(t, &owner, seen, taken, err);
    if (owner.state == CLAIM_ALIVE)
        *seen = owner;
    else if (files_link(t->staged.temporary, t->path) == 0)
        *taken = true;
    else if (errno != EEXIST)
        return fail_errno(err, "cannot write '%s'", t->path);
    return 0;
}

/* Whether there is hope that a live owner goes soon, or shows itself dead. */
static bool is_worth_waiting(struct taker *t, const struct sight *owner,
                             const struct claim_hooks *hooks)
{
    double now = clock_seconds();
    bool visible = can_judge(&owner->who);
    if (strcmp(t->waits_for, owner->who.nonce) != 0) {
        memcpy(t->waits_for, owner->who.nonce, sizeof t->waits_for);
        t->since = now;
        t->first_touched = owner->touched;
        if (hooks && hooks->on_wait && (owner->who.ending || !visible))
            hooks->on_wait(hooks->context, &owner->who, owner->age);
    }
    bool beats = seconds_between(t->first_touched, owner->touched) != 0;
    double patience = owner->who.ending || (!visible && !beats) ? 2 * t->lost_after_s
                      : visible                                 ? fmin(grace_s, t->lost_after_s)
                                                                : 0;
    return now - t->since < patience;
}

static int refuse(const struct taker *t, const struct sight *owner, struct error *err)
{
    const struct claim *who = &owner->who;
    return fail(err, E_ENVIRONMENT,
                "another batch is at work in '%s': process %ld on %s since %s, last sign of life "
                "%.0f s ago",
                t->folder, (long)who->pid, who->host, who->started, owner->age);
}

/* A new try under a new nonce; what an earlier one has left is of no use. */
static int stage(struct taker *t, struct error *err)
{
    int status = 0;
    publish_abort(&t->staged);
    TRY(describe_self(&t->self, err));
    TRY(json_file_stage(t->path, pack(&t->self), &t->staged, err));
    t->own = t->staged.temporary;
    TRY(publish_sync(&t->staged, err));
done:
    return status;
}

static int take(struct taker *t, const struct claim_hooks *hooks, struct error *err)
{
    bool taken = false;
    struct sight seen;
    for (;;) {
        int status = try_once(t, &seen, &taken, err);
        if (taken)
            status = settle(t, &taken, err);
        if (taken)
            return 0;
        if (is_revoked(t))
            status = stage(t, err);
        if (status != 0)
            return status;
        if (seen.state == CLAIM_FREE)
            continue;
        if (!is_worth_waiting(t, &seen, hooks))
            return refuse(t, &seen, err);
        if (hooks && hooks->should_stop && hooks->should_stop(hooks->context))
            return fail(err, E_INTERRUPTED, "interrupted");
        nanosleep(&(struct timespec){0, (long)(look_s * 1e9)}, NULL);
    }
}

int claim_take(const struct store *store, double lost_after_s, const struct claim_hooks *hooks,
               struct claim *out, struct error *err)
{
    int status = 0;
    struct taker t = {.folder = store->folder,
                      .path = store_path(store, STORE_CLAIM),
                      .lost_after_s = lost_after_s};
    if (!t.path)
        return fail_memory(err);
    TRY(stage(&t, err));
    TRY(take(&t, hooks, err));
    *out = t.self;
done:
    publish_abort(&t.staged);
    free(t.path);
    return status;
}

/* --- having it --- */

/* *path is the claim's, which is ours; caller frees. */
static int check_ours(const struct store *store, const struct claim *claim, char **path,
                      struct error *err)
{
    int status = 0;
    struct sight seen;
    char *own = store_path(store, STORE_CLAIM);
    if (!own)
        return fail_memory(err);
    TRY(read_claim(own, &seen, err));
    if (!seen.who.nonce[0])
        status = fail(err, E_FAILED, "the claim on '%s' was removed", store->folder);
    else if (seen.unreadable)
        status = fail(err, E_FAILED, "the claim on '%s' was overwritten", store->folder);
    else if (strcmp(seen.who.nonce, claim->nonce) != 0)
        status = fail(err, E_FAILED, "process %ld on %s has taken over '%s'", (long)seen.who.pid,
                      seen.who.host, store->folder);
done:
    if (status == 0)
        *path = own;
    else
        free(own);
    return status;
}

int claim_refresh(const struct store *store, const struct claim *claim, struct error *err)
{
    char *path;
    int status = check_ours(store, claim, &path, err);
    if (status != 0)
        return status;
    if (files_touch(path) != 0)
        status = fail_errno(err, "cannot touch '%s'", path);
    free(path);
    return status;
}

/* Of a claim's text, the one byte that says whether its owner is ending; 0: there is none. */
static off_t find_ending(const char *text, const char *nonce)
{
    static const char key[] = "\"ending\": ";
    const char *at = strstr(text, nonce) ? strstr(text, key) : NULL;
    return at ? at + strlen(key) - text : 0;
}

/* In the file itself and not in its place: what has taken its place since we looked is not ours. */
static int mark_ending(const char *path, const char *nonce, struct error *err)
{
    char text[2048];
    int file, status = files_open_to_update(path, &file, err);
    if (status != 0)
        return status;
    ssize_t length = read(file, text, sizeof text - 1);
    text[length > 0 ? length : 0] = 0;
    off_t at = find_ending(text, nonce);
    if (at == 0 || pwrite(file, "1", 1, at) != 1)
        status = fail_errno(err, "cannot write '%s'", path);
    close(file);
    return status;
}

int claim_end(const struct store *store, struct claim *claim, struct error *err)
{
    char *path;
    int status = check_ours(store, claim, &path, err);
    if (status != 0)
        return status;
    claim->ending = true;
    status = mark_ending(path, claim->nonce, err);
    free(path);
    return status;
}

/* Aside first, and then removed if it is ours: between the look at it and this somebody who thought
 * us dead may have put another one there, which goes back. */
static int remove_ours(const char *path, const char *aside, const struct claim *claim,
                       struct error *err)
{
    struct sight seen;
    if (files_rename(path, aside) != 0)
        return fail_errno(err, "cannot remove '%s'", path);
    int status = read_claim(aside, &seen, err);
    if (status != 0)
        return status;
    if (seen.who.nonce[0] && strcmp(seen.who.nonce, claim->nonce) != 0 &&
        files_link(aside, path) != 0)
        status = fail_errno(err, "cannot write '%s'", path);
    files_unlink(aside);
    return status;
}

int claim_release(const struct store *store, const struct claim *claim, struct error *err)
{
    char *path;
    int status = check_ours(store, claim, &path, err);
    if (status != 0)
        return status;
    char *aside = NULL;
    if (asprintf(&aside, "%s/%s%s", store->folder, aside_name, claim->nonce) < 0)
        status = fail_memory(err);
    else
        status = remove_ours(path, aside, claim, err);
    free(aside);
    free(path);
    return status;
}
