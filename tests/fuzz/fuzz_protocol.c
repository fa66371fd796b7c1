/* What a rank may receive: no byte behind a message is looked at, and its texts have their ends. */
#include "protocol.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Texts as the receivers read them. */
static void read_texts(const struct message *message)
{
    size_t length = 0;
    for (size_t at = 0; at < message->text_bytes && message->kind != MESSAGE_RUN;
         at += strlen(message->text + at) + 1)
        length += strlen(message->text + at);
    if (length > MESSAGE_TEXT)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct message *message = malloc(sizeof *message);
    size_t taken = count < sizeof *message ? count : sizeof *message;
    if (!message)
        return 0;
    memset(message, 0xa5, sizeof *message);
    if (taken)
        memcpy(message, bytes, taken);
    if (message_valid(message, taken)) {
        if (message_bytes(message) != taken)
            abort();
        read_texts(message);
    }
    free(message);
    return 0;
}
