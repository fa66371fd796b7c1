#include "report.h"

#include "base64.h"
#include "publish.h"
#include "report_data.h"
#include "report_page.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the page is made of, and where it goes. */
struct page {
    FILE *stream;
    char *policy;
    json_t *data;
};

/* No network, no script and no style but the page's own. */
static int make_policy(char **policy, struct error *err)
{
    int status;
    char *script = NULL, *style = NULL;
    TRY(base64_sha256(report_script, strlen(report_script), &script, err));
    TRY(base64_sha256(report_style, strlen(report_style), &style, err));
    if (asprintf(policy,
                 "default-src 'none'; img-src data: file: 'self'; style-src 'sha256-%s'; "
                 "script-src 'sha256-%s'; base-uri 'none'; form-action 'none'",
                 style, script) < 0) {
        *policy = NULL;
        status = fail(err, E_ENVIRONMENT, "not enough memory for a report");
    }
done:
    free(script);
    free(style);
    return status;
}

/* '<' stands only in JSON's strings, where \u003c is the same: so no text can end the element. */
static int write_escaped(const char *bytes, size_t count, void *context)
{
    FILE *stream = context;
    const char *end = bytes + count;
    while (bytes < end) {
        const char *sign = memchr(bytes, '<', (size_t)(end - bytes));
        size_t plain = (size_t)((sign ? sign : end) - bytes);
        if (fwrite(bytes, 1, plain, stream) != plain || (sign && fputs("\\u003c", stream) < 0))
            return -1;
        bytes += plain + (sign != NULL);
    }
    return 0;
}

static int write_part(const struct page *page, const char *name)
{
    if (strcmp(name, "@POLICY@") == 0)
        return fputs(page->policy, page->stream) < 0;
    if (strcmp(name, "@STYLE@") == 0)
        return fputs(report_style, page->stream) < 0;
    if (strcmp(name, "@SCRIPT@") == 0)
        return fputs(report_script, page->stream) < 0;
    return json_dump_callback(page->data, write_escaped, page->stream,
                              JSON_COMPACT | JSON_REAL_PRECISION(15)) != 0;
}

/* The HTML with its parts in their places. Returns 0, or not, with errno. */
static int write_page(const struct page *page)
{
    static const char *const parts[] = {"@POLICY@", "@STYLE@", "@DATA@", "@SCRIPT@"};
    const char *at = report_page;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const char *place = strstr(at, parts[i]);
        size_t before = (size_t)(place - at);
        if (fwrite(at, 1, before, page->stream) != before || write_part(page, parts[i]) != 0)
            return -1;
        at = place + strlen(parts[i]);
    }
    return fputs(at, page->stream) < 0;
}

static int write_file(struct page *page, const struct publication *to, struct error *err)
{
    const char *path = to->path;
    page->stream = publish_as_stream(to);
    if (!page->stream)
        return fail_errno(err, "cannot write '%s'", path);
    int status = write_page(page) == 0 ? 0 : fail_errno(err, "cannot write '%s'", path);
    if (fclose(page->stream) != 0 && status == 0)
        status = fail_errno(err, "cannot write '%s'", path);
    return status;
}

int report_write(const struct report *report, const char *path, struct error *err)
{
    int status;
    struct page page = {0};
    struct publication staged = {0};
    TRY(make_policy(&page.policy, err));
    TRY(report_data(report, &page.data, err));
    TRY(publish_begin(path, &staged, err));
    TRY(write_file(&page, &staged, err));
    TRY(publish_commit(&staged, err));
done:
    publish_abort(&staged);
    json_decref(page.data);
    free(page.policy);
    return status;
}
