#include "protocol.h"

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct message) < 4000, "a message must be sent eagerly");

size_t message_bytes(const struct message *message)
{
    return offsetof(struct message, text) + message->text_bytes;
}

bool message_valid(const struct message *message, size_t bytes)
{
    return bytes >= offsetof(struct message, text) && message->protocol == PROTOCOL &&
           message->text_bytes <= MESSAGE_TEXT && bytes == message_bytes(message);
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
