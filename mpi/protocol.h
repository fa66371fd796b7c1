/* What coordinator and agents say to each other: small messages, point to point, in order. Pictures
 * and tables go through files. A message stays under the 4 kB that Open MPI's shared memory sends
 * at once, so that a send never waits for a receiver that is gone.
 *
 *   agent                          coordinator
 *                 <- HAIL          once: this is the batch; look for its claim in the store
 *   HELLO ->                       host, processors, memory; or why it cannot take part
 *   STATUS ->     <- PULSE         every heartbeat; the pulse carries the status' own time back
 *                 <- RUN           a job, its command in one or more parts
 *   NOTE ->                        what a person should know of it
 *   ENDED ->                       how it ended
 *                 <- INTERRUPT     end it, keep its state
 *                 <- LEAVE         the batch is over
 *   BYE ->                         I am going
 *
 * The pulse is a lease renewed by request: an agent knows from it that the coordinator has heard
 * what was said at that time on the agent's own clock, however long the answer took. */
#ifndef ATELIER_PROTOCOL_H
#define ATELIER_PROTOCOL_H

#include "failure.h"
#include "verdict.h"
#include <stdint.h>

enum message_kind {
    MESSAGE_HAIL = 1,
    MESSAGE_HELLO,
    MESSAGE_STATUS,
    MESSAGE_PULSE,
    MESSAGE_RUN,
    MESSAGE_ENDED,
    MESSAGE_INTERRUPT,
    MESSAGE_LEAVE,
    MESSAGE_BYE,
    MESSAGE_NOTE
};

enum { MESSAGE_TEXT = 3000, MASK_TEXT = 257, PROTOCOL = 1 };

struct message {
    uint32_t protocol; /* PROTOCOL: another one is another version of the program */
    uint32_t kind;
    uint64_t lease;
    double stamp; /* STATUS: the agent's clock; PULSE: that of the last status */
    union {
        struct {
            char host[HOST_TEXT], mask[MASK_TEXT]; /* processors, as hexadecimal digits */
            uint64_t bytes;                        /* of memory that jobs may take */
            int64_t pid;
        } hello;
        struct {
            int64_t evaluation;
            double total;
        } status;
        struct {
            int32_t threads, attempt;
            int32_t more;   /* another part of the command follows */
            double seconds; /* predicted; 0: not */
            double timeout; /* s in all; 0: none */
            double stuck;   /* s without a new row; 0: any number */
            uint64_t bytes; /* predicted */
        } run;
        struct {
            int32_t end, exit_code, signal;
            double seconds, cpu_seconds;
            uint64_t peak_bytes;
        } ended;
    };
    /* HAIL: folder, nonce, version, each with its final 0. HELLO: why not, or empty. RUN: words of
     * the command, each with its final 0. ENDED: last words. NOTE: words. BYE: why. */
    uint32_t text_bytes;
    char text[MESSAGE_TEXT];
};

/* As many bytes as there are to send. */
size_t message_bytes(const struct message *message);
/* Whether what came is a message, so that whoever takes it need not look again: of this version, as
 * long as it says, of a kind that there is, its texts with their ends, its numbers within what they
 * mean. Only a part of a command may end within a word. Checked by: test_protocol */
bool message_valid(const struct message *message, size_t bytes);

struct message message_new(enum message_kind kind);
/* Sets the text, cut to fit. */
void message_say(struct message *message, const char *text);
/* Adds a word with its final 0. False: no room. */
bool message_add(struct message *message, const char *word);

#endif
