#include "job_id.h"

#include <string.h>

bool job_id_valid(const char *text)
{
    return strspn(text, "0123456789abcdef") == JOB_ID_TEXT - 1 && text[JOB_ID_TEXT - 1] == 0;
}
