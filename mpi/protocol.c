#include "protocol.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct message) < 4000, "a message must be sent eagerly");

size_t message_bytes(const struct message *message)
{
    return offsetof(struct message, text) + message->text_bytes;
}

/* How many texts there are, each with its final 0; -1: something is left over. */
static int count_texts(const struct message *message)
{
    int count = 0;
    for (uint32_t i = 0; i < message->text_bytes; i++)
        count += message->text[i] == 0;
    bool ends = message->text_bytes == 0 || message->text[message->text_bytes - 1] == 0;
    return ends ? count : -1;
}

static bool is_measure(double value) { return value >= 0 && isfinite(value); }

static bool hello_valid(const struct message *m)
{
    return count_texts(m) == 1 && memchr(m->hello.host, 0, sizeof m->hello.host) &&
           memchr(m->hello.mask, 0, sizeof m->hello.mask);
}

static bool run_valid(const struct message *m)
{
    bool whole = m->run.more ? m->text_bytes > 0 : count_texts(m) > 0;
    return whole && m->run.attempt > 0 && m->run.seconds >= 0 && m->run.timeout >= 0 &&
           m->run.stuck >= 0;
}

static bool ended_valid(const struct message *m)
{
    return count_texts(m) == 1 && m->ended.end >= 0 && m->ended.end < JOB_ENDS &&
           is_measure(m->ended.seconds) && is_measure(m->ended.cpu_seconds);
}

static bool content_valid(const struct message *m)
{
    switch (m->kind) {
    case MESSAGE_HAIL:
        return count_texts(m) == 3;
    case MESSAGE_HELLO:
        return hello_valid(m);
    case MESSAGE_RUN:
        return run_valid(m);
    case MESSAGE_ENDED:
        return ended_valid(m);
    case MESSAGE_BYE:
    case MESSAGE_NOTE:
        return count_texts(m) == 1;
    case MESSAGE_STATUS:
    case MESSAGE_PULSE:
        return isfinite(m->stamp) && m->text_bytes == 0;
    case MESSAGE_INTERRUPT:
    case MESSAGE_LEAVE:
        return m->text_bytes == 0;
    default:
        return false;
    }
}

bool message_valid(const struct message *message, size_t bytes)
{
    return bytes >= offsetof(struct message, text) && message->protocol == PROTOCOL &&
           message->text_bytes <= MESSAGE_TEXT && bytes == message_bytes(message) &&
           content_valid(message);
}

struct message message_new(enum message_kind kind)
{
    struct message message;
    memset(&message, 0, sizeof message);
    message.protocol = PROTOCOL;
    message.kind = kind;
    return message;
}

void message_say(struct message *message, const char *text)
{
    size_t length = strnlen(text, MESSAGE_TEXT - 1);
    memcpy(message->text, text, length);
    message->text[length] = 0;
    message->text_bytes = (uint32_t)length + 1;
}

bool message_add(struct message *message, const char *word)
{
    size_t length = strlen(word) + 1;
    if (length > MESSAGE_TEXT - message->text_bytes)
        return false;
    memcpy(message->text + message->text_bytes, word, length);
    message->text_bytes += (uint32_t)length;
    return true;
}
