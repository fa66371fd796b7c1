#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

int fail(struct error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        err->cause = 0;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
    }
    return code;
}

int fail_errno(struct error *err, const char *format, ...)
{
    int cause = errno;
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = E_ENVIRONMENT;
        err->cause = cause;
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, ": %s", strerror(cause));
    }
    return E_ENVIRONMENT;
}

int fail_context(struct error *err, const char *format, ...)
{
    if (!err)
        return E_BUG;
    char tail[sizeof err->message];
    memcpy(tail, err->message, sizeof tail);
    va_list args;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, "%s", tail);
    return err->code;
}

static bool is_one_of(int cause, const int *causes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (causes[i] == cause)
            return true;
    return false;
}

bool error_is_out_of_reach(const struct error *err)
{
    static const int causes[] = {ESTALE,    EIO,          EREMOTEIO, ETIMEDOUT,   ENOTCONN,
                                 EHOSTDOWN, EHOSTUNREACH, ENETDOWN,  ENETUNREACH, ECONNRESET,
                                 EAGAIN,    EBUSY,        ENOLCK,    EINTR,       ESHUTDOWN};
    return is_one_of(err->cause, causes, sizeof causes / sizeof *causes);
}

bool error_may_heal(const struct error *err)
{
    static const int causes[] = {ENOSPC, EDQUOT, EROFS, ENFILE, EMFILE, ENOMEM};
    return error_is_out_of_reach(err) ||
           is_one_of(err->cause, causes, sizeof causes / sizeof *causes);
}
