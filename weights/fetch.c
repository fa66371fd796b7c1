#include "fetch.h"

#include "clock.h"
#include "files.h"
#include "publish.h"
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum { CONNECT_S = 30, STALL_S = 60, REDIRECTS = 10 };

/* Where the file comes from and goes to, and the part, which is open and locked. */
struct job {
    const struct known_file *file;
    const struct fetch *fetch;
    char *folder, *path, *part_path;
    int part;
    uint64_t have; /* bytes in the part */
};

/* One request, and what came of it. */
struct transfer {
    struct job *job;
    CURL *curl;
    char reason[CURL_ERROR_SIZE]; /* libcurl's */
    uint64_t asked;               /* the first byte asked for */
    bool ranged;                  /* the answer has a Content-Range: */
    bool unsatisfied;             /* "*", and not */
    uint64_t first, last;
    uint64_t served; /* bytes of the whole file, 0 unknown */
    bool begun;      /* the content's first bytes were seen */
    int status;      /* of a callback that ended it */
    struct error *err;
};

/* ---- folders and files ---- */

static int fail_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory to fetch a file");
}

/* Stops early rather than with a full disk after an hour. */
static int check_space(const struct job *job, struct error *err)
{
    struct statvfs info;
    if (job->file->bytes <= job->have || statvfs(job->folder, &info) != 0 || info.f_frsize == 0)
        return 0;
    uint64_t need = job->file->bytes - job->have;
    if (info.f_bavail >= need / info.f_frsize + 1)
        return 0;
    return fail(err, E_ENVIRONMENT,
                "%s needs %" PRIu64 " more bytes, and '%s' has %" PRIu64
                " free: ATELIER_CACHE names another folder",
                job->file->name, need, job->folder, (uint64_t)info.f_bavail * info.f_frsize);
}

/* *found: there is a file at job->path, which is then the published one. */
static int check_present(const struct job *job, bool *found, struct error *err)
{
    struct stat info;
    struct digests digests;
    *found = stat(job->path, &info) == 0;
    if (!*found)
        return 0;
    if (!S_ISREG(info.st_mode))
        return fail(err, E_INPUT, "'%s' is in the way: it is not a regular file", job->path);
    int status = digests_file(job->path, &digests, err);
    if (status == 0 && (status = known_check(job->file, job->path, &digests, err)) != 0 && err) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used,
                 "; move it away to fetch the published one");
    }
    return status;
}

/* ---- the part, one process at a time ---- */

static int report(const struct job *job, uint64_t bytes, uint64_t total)
{
    const struct fetch *fetch = job->fetch;
    return fetch->progress ? fetch->progress(fetch->context, bytes, total) : 0;
}

static int fail_stopped(const struct job *job, struct error *err)
{
    return fail(err, E_INTERRUPTED,
                "stopped fetching %s at %" PRIu64 " bytes; fetching it again goes on there",
                job->file->name, job->have);
}

static unsigned stall_s(const struct job *job)
{
    return job->fetch->stall_s ? job->fetch->stall_s : STALL_S;
}

/* Waits while another process holds the part and it grows. */
static int lock_part(struct job *job, struct error *err)
{
    double since = clock_seconds();
    off_t size = -1;
    while (flock(job->part, LOCK_EX | LOCK_NB) != 0) {
        struct stat info;
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK)
            return fail_errno(err,
                              "cannot lock '%s' (ATELIER_CACHE names a folder on another file "
                              "system)",
                              job->part_path);
        if (fstat(job->part, &info) == 0 && info.st_size != size) {
            size = info.st_size;
            since = clock_seconds();
            job->have = (uint64_t)size;
        }
        if (report(job, job->have, job->file->bytes) != 0)
            return fail_stopped(job, err);
        if (clock_seconds() - since > stall_s(job))
            return fail(err, E_ENVIRONMENT,
                        "another process fetches '%s', and got nothing for %u s", job->part_path,
                        stall_s(job));
        nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    }
    return 0;
}

/* The open part still has its name: whoever held it before neither removed nor finished it. */
static bool part_is_current(const struct job *job)
{
    struct stat open_one, named;
    return fstat(job->part, &open_one) == 0 && lstat(job->part_path, &named) == 0 &&
           open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

static void close_part(struct job *job)
{
    if (job->part >= 0)
        close(job->part); /* and unlocks */
    job->part = -1;
}

static int fail_place(int status, struct error *err)
{
    if (err) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used,
                 " (ATELIER_CACHE names another folder)");
    }
    return status;
}

/* Whoever owns it could change it after its digest was found right. */
static int check_owner(const struct job *job, struct error *err)
{
    struct stat info;
    if (fstat(job->part, &info) != 0)
        return fail_errno(err, "cannot read '%s'", job->part_path);
    if (info.st_uid == geteuid())
        return 0;
    return fail(
        err, E_INPUT,
        "'%s' is in the way: another user has begun it (ATELIER_CACHE names another folder)",
        job->part_path);
}

static int open_part(struct job *job, struct error *err)
{
    struct stat info;
    do {
        close_part(job);
        int status = files_open_to_update(job->part_path, &job->part, err);
        if (status) {
            job->part = -1;
            return fail_place(status, err);
        }
        status = check_owner(job, err);
        if (status == 0)
            status = lock_part(job, err);
        if (status) {
            close_part(job); /* another's: it is not ours to remove */
            return status;
        }
    } while (!part_is_current(job));
    if (fstat(job->part, &info) != 0)
        return fail_errno(err, "cannot read '%s'", job->part_path);
    job->have = (uint64_t)info.st_size;
    return 0;
}

static int empty_part(struct job *job, struct error *err)
{
    if (ftruncate(job->part, 0) != 0)
        return fail_errno(err, "cannot write '%s'", job->part_path);
    job->have = 0;
    return 0;
}

static int append(struct job *job, const char *bytes, size_t count, struct error *err)
{
    while (count > 0) {
        ssize_t wrote = pwrite(job->part, bytes, count, (off_t)job->have);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return fail_errno(err, "cannot write '%s' after %" PRIu64 " bytes", job->part_path,
                              job->have);
        bytes += wrote;
        count -= (size_t)wrote;
        job->have += (uint64_t)wrote;
    }
    return 0;
}

/* ---- one request ---- */

/* For those who have a browser where atelier has no network. */
static int fail_hint(const struct job *job, int status, struct error *err)
{
    if (err) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used,
                 "; or download %s elsewhere and put it into '%s'", job->file->address,
                 job->folder);
    }
    return status;
}

static bool parse_bytes(const char **text, uint64_t *value)
{
    char *end;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *value = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0;
}

/* "bytes FIRST-LAST/SIZE", where SIZE may be "*", or so may FIRST-LAST (RFC 9110, 14.4). */
static void parse_range(const char *text, struct transfer *transfer)
{
    text += strspn(text, " \t");
    if (strncasecmp(text, "bytes ", 6) != 0)
        return;
    text += 6;
    if (*text == '*') {
        transfer->unsatisfied = true;
        text++;
    } else {
        if (!parse_bytes(&text, &transfer->first) || *text++ != '-' ||
            !parse_bytes(&text, &transfer->last))
            return;
        transfer->ranged = true;
    }
    if (*text++ != '/' || !parse_bytes(&text, &transfer->served))
        transfer->served = 0;
}

/* Headers come for each of several answers when there are redirects: the last counts. */
static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    static const char name[] = "content-range:";
    struct transfer *transfer = context;
    char line[256];
    size_t length = size * count, kept = length < sizeof line ? length : sizeof line - 1;
    memcpy(line, bytes, kept);
    line[kept] = '\0';
    if (strncasecmp(line, "HTTP/", 5) == 0) {
        transfer->ranged = transfer->unsatisfied = false;
        transfer->served = 0;
    } else if (strncasecmp(line, name, sizeof name - 1) == 0) {
        parse_range(line + sizeof name - 1, transfer);
    }
    return length;
}

static bool is_page(CURL *curl)
{
    const char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    return type && strncasecmp(type, "text/html", 9) == 0;
}

/* Before the first bytes are kept: where they belong, and whether they can be the file. */
static int begin_content(struct transfer *transfer)
{
    struct job *job = transfer->job;
    const struct known_file *file = job->file;
    struct error *err = transfer->err;
    curl_off_t length = -1;
    long code = 0;
    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_getinfo(transfer->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (code == 206 && (!transfer->ranged || transfer->first != transfer->asked))
        return fail_hint(job,
                         fail(err, E_ENVIRONMENT,
                              "cannot fetch %s: asked for what follows byte %" PRIu64
                              ", the server sent something else",
                              file->name, transfer->asked),
                         err);
    if (code != 206)
        transfer->served = length > 0 ? (uint64_t)length : 0;
    bool is_size = file->bytes && transfer->served == file->bytes;
    if (is_page(transfer->curl) && !is_size)
        return fail_hint(job,
                         fail(err, E_ENVIRONMENT,
                              "cannot fetch %s: the server answered with a web page, not with the "
                              "file",
                              file->name),
                         err);
    if (file->bytes && transfer->served && !is_size)
        return fail_hint(job,
                         fail(err, E_ENVIRONMENT,
                              "cannot fetch %s: expected %" PRIu64
                              " bytes, the server has %" PRIu64,
                              file->name, file->bytes, transfer->served),
                         err);
    return code == 206 ? 0 : empty_part(job, err);
}

static size_t on_content(char *bytes, size_t size, size_t count, void *context)
{
    struct transfer *transfer = context;
    struct job *job = transfer->job;
    size_t length = size * count;
    if (!transfer->begun)
        transfer->status = begin_content(transfer);
    transfer->begun = true;
    if (transfer->status == 0 && job->file->bytes && length > job->file->bytes - job->have)
        transfer->status =
            fail_hint(job,
                      fail(transfer->err, E_ENVIRONMENT,
                           "cannot fetch %s: expected %" PRIu64 " bytes, the server sent more",
                           job->file->name, job->file->bytes),
                      transfer->err);
    if (transfer->status == 0)
        transfer->status = append(job, bytes, length, transfer->err);
    return transfer->status == 0 ? length : 0;
}

static int on_progress(void *context, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    (void)total, (void)now, (void)up_total, (void)up_now;
    struct transfer *transfer = context;
    struct job *job = transfer->job;
    if (report(job, job->have, job->file->bytes ? job->file->bytes : transfer->served) == 0)
        return 0;
    transfer->status = fail_stopped(job, transfer->err);
    return 1;
}

static void allow_protocols(CURL *curl, bool secure)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
    long allowed = secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS;
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS, allowed);
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS, allowed);
#endif
}

/* A server that ignores the range sends the whole file; CURLOPT_RESUME_FROM would fail there. */
static void set_up(struct transfer *transfer)
{
    CURL *curl = transfer->curl;
    const struct job *job = transfer->job;
    unsigned connect_s = job->fetch->connect_s ? job->fetch->connect_s : CONNECT_S;
    curl_easy_setopt(curl, CURLOPT_URL, job->file->address);
    allow_protocols(curl, strncasecmp(job->file->address, "https:", 6) == 0);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
    curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "atelier");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)connect_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)stall_s(job));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->reason);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_content);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer);
    if (transfer->asked > 0) {
        char range[32];
        snprintf(range, sizeof range, "%" PRIu64 "-", transfer->asked);
        curl_easy_setopt(curl, CURLOPT_RANGE, range);
    }
}

/* What is said of a request that failed without any of our callbacks failing. */
static int fail_transfer(const struct transfer *transfer, CURLcode code, struct error *err)
{
    const struct job *job = transfer->job;
    const char *reason = transfer->reason[0] ? transfer->reason : curl_easy_strerror(code);
    int status =
        job->have > 0
            ? fail(err, E_ENVIRONMENT,
                   "cannot fetch %s: %s; got %" PRIu64 " bytes so far, fetching it again goes on "
                   "there",
                   job->file->name, reason, job->have)
            : fail(err, E_ENVIRONMENT, "cannot fetch %s: %s", job->file->name, reason);
    return fail_hint(job, status, err);
}

/* 416: there is nothing behind the part. Either it is the whole file (*again stays false), or it is
 * none of it. */
static int nothing_behind(struct transfer *transfer, bool *again, struct error *err)
{
    struct job *job = transfer->job;
    if (transfer->unsatisfied && transfer->served == job->have)
        return 0;
    *again = true;
    return empty_part(job, err);
}

/* One request for what the part lacks. *again: another one, from the start. */
static int request(struct job *job, bool *again, struct error *err)
{
    struct transfer transfer = {
        .job = job, .curl = curl_easy_init(), .asked = job->have, .err = err};
    int status = 0;
    if (!transfer.curl)
        return fail_memory(err);
    set_up(&transfer);
    CURLcode code = curl_easy_perform(transfer.curl);
    long answer = 0;
    curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &answer);
    if (transfer.status != 0)
        status = transfer.status;
    else if (answer == 416 && transfer.asked > 0)
        status = nothing_behind(&transfer, again, err);
    else if (code != CURLE_OK)
        status = fail_transfer(&transfer, code, err);
    else if (job->file->bytes && job->have < job->file->bytes) {
        snprintf(transfer.reason, sizeof transfer.reason,
                 "expected %" PRIu64 " bytes, the server sent fewer", job->file->bytes);
        status = fail_transfer(&transfer, CURLE_PARTIAL_FILE, err);
    }
    curl_easy_cleanup(transfer.curl);
    return status;
}

/* ---- all of it ---- */

static int download(struct job *job, struct error *err)
{
    bool again = false;
    int status = 0;
    if (job->file->bytes && job->have > job->file->bytes)
        TRY(empty_part(job, err));
    if (job->file->bytes && job->have == job->file->bytes)
        return 0;
    TRY(check_space(job, err));
    TRY(request(job, &again, err));
    if (again)
        TRY(request(job, &again, err));
    if (job->have == 0)
        status =
            fail_hint(job,
                      fail(err, E_ENVIRONMENT, "cannot fetch %s: the server answered with nothing",
                           job->file->name),
                      err);
done:
    return status;
}

/* The part becomes the file, or goes. */
static int finish(struct job *job, struct error *err)
{
    struct digests digests;
    struct publication publication = {0};
    int status = digests_file(job->part_path, &digests, err);
    if (status)
        return status;
    status = known_check(job->file, job->file->address, &digests, err);
    if (status == E_INPUT) {
        files_unlink(job->part_path);
        job->have = 0;
        return status;
    }
    if (status)
        return status;
    report(job, job->have, job->have);
    status = publish_adopt(job->path, job->part_path, &publication, err);
    if (status)
        return status;
    return publish_commit(&publication, err);
}

static int name_files(struct job *job, struct error *err)
{
    int status = 0;
    if (job->fetch->folder) {
        job->folder = strdup(job->fetch->folder);
        if (!job->folder)
            return fail_memory(err);
    } else {
        TRY(known_cache_folder(&job->folder, err));
    }
    if (asprintf(&job->path, "%s/%s", job->folder, job->file->file) < 0) {
        job->path = NULL;
        status = fail_memory(err);
    } else if (asprintf(&job->part_path, "%s.part", job->path) < 0) {
        job->part_path = NULL;
        status = fail_memory(err);
    }
done:
    return status;
}

static int check_fetchable(const struct known_file *file, struct error *err)
{
    const char *where = file->address ? file->address : file->page;
    if (!file->reader)
        return fail(err, E_INPUT, "cannot use %s: %s", file->name, file->note);
    if (!file->address)
        return fail(err, E_INPUT, "cannot fetch %s: look for '%s' at %s", file->name, file->file,
                    where);
    if (!file->sha256 && !file->md5)
        return fail(err, E_INPUT,
                    "cannot fetch %s: no digest of it is published, so that a download could not "
                    "be checked; the file is %s",
                    file->name, where);
    return 0;
}

int fetch_file(const struct known_file *file, const struct fetch *fetch, char **path,
               struct error *err)
{
    struct job job = {.file = file, .fetch = fetch, .part = -1};
    bool found = false;
    int status;
    TRY(check_fetchable(file, err));
    TRY(name_files(&job, err));
    TRY(check_present(&job, &found, err));
    if (!found) {
        TRY(known_make_folder(job.folder, err));
        TRY(open_part(&job, err));
        TRY(check_present(&job, &found, err)); /* who held the part before may have finished */
    }
    if (!found) {
        TRY(download(&job, err));
        TRY(finish(&job, err));
        job.have = 1; /* the part has its name */
    }
    *path = job.path;
    job.path = NULL;
done:
    if (job.part >= 0 && job.have == 0 && part_is_current(&job))
        files_unlink(job.part_path);
    close_part(&job);
    free(job.part_path);
    free(job.path);
    free(job.folder);
    return status;
}

const char *fetch_curl_version(void) { return curl_version_info(CURLVERSION_NOW)->version; }
