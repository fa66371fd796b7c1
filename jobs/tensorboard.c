#include "tensorboard.h"

#include "crc32c.h"
#include <assert.h>
#include <string.h>

/* Tags of protobuf: field number << 3 | wire type (0 varint, 1 eight bytes, 2 with a length, 5 four
 * bytes). */
enum {
    EVENT_WALL_TIME = 1 << 3 | 1,
    EVENT_STEP = 2 << 3 | 0,
    EVENT_FILE_VERSION = 3 << 3 | 2,
    EVENT_SUMMARY = 5 << 3 | 2,
    SUMMARY_VALUE = 1 << 3 | 2,
    VALUE_TAG = 1 << 3 | 2,
    VALUE_SIMPLE = 2 << 3 | 5
};

/* A message that is shorter than 128 bytes, as all lengths in it are: each is one byte. */
struct message {
    size_t count;
    uint8_t bytes[TAG_MAX + 27];
};

static void put_bytes(struct message *message, const void *bytes, size_t count)
{
    assert(message->count + count <= sizeof message->bytes);
    memcpy(message->bytes + message->count, bytes, count);
    message->count += count;
}

static void put_byte(struct message *message, int byte)
{
    uint8_t b = (uint8_t)byte;
    put_bytes(message, &b, 1);
}

static void put_little_endian(struct message *message, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        put_byte(message, (int)(value >> 8 * i & 0xff));
}

static void put_varint(struct message *message, uint64_t value)
{
    for (; value > 127; value >>= 7)
        put_byte(message, (int)(value & 127) | 128);
    put_byte(message, (int)value);
}

static void put_text(struct message *message, int tag, const char *text)
{
    put_byte(message, tag);
    put_byte(message, (int)strlen(text));
    put_bytes(message, text, strlen(text));
}

static void put_message(struct message *message, int tag, const struct message *inner)
{
    put_byte(message, tag);
    put_byte(message, (int)inner->count);
    put_bytes(message, inner->bytes, inner->count);
}

static void put_wall_time(struct message *message, double wall_time)
{
    uint64_t bits;
    memcpy(&bits, &wall_time, sizeof bits);
    put_byte(message, EVENT_WALL_TIME);
    put_little_endian(message, bits, sizeof bits);
}

/* So that a checksum of data with its checksum in it is not 0. */
static uint32_t masked_crc(const struct message *message)
{
    uint32_t crc = crc32c(message->bytes, message->count);
    return (crc >> 15 | crc << 17) + 0xa282ead8;
}

/* Length, its checksum, the message, its checksum. */
static void write_record(FILE *to, const struct message *message)
{
    struct message head = {0}, tail = {0};
    put_little_endian(&head, message->count, 8);
    put_little_endian(&head, masked_crc(&head), 4);
    put_little_endian(&tail, masked_crc(message), 4);
    fwrite(head.bytes, 1, head.count, to);
    fwrite(message->bytes, 1, message->count, to);
    fwrite(tail.bytes, 1, tail.count, to);
}

void tensorboard_begin(FILE *to, double wall_time)
{
    struct message event = {0};
    put_wall_time(&event, wall_time);
    put_text(&event, EVENT_FILE_VERSION, "brain.Event:2");
    write_record(to, &event);
}

void tensorboard_scalar(FILE *to, double wall_time, int64_t step, const char *tag, float value)
{
    struct message event = {0}, summary = {0}, point = {0};
    uint32_t bits;
    assert(strlen(tag) <= TAG_MAX && step >= 0);
    memcpy(&bits, &value, sizeof bits);
    put_text(&point, VALUE_TAG, tag);
    put_byte(&point, VALUE_SIMPLE);
    put_little_endian(&point, bits, sizeof bits);
    put_message(&summary, SUMMARY_VALUE, &point);
    put_wall_time(&event, wall_time);
    put_byte(&event, EVENT_STEP);
    put_varint(&event, (uint64_t)step);
    put_message(&event, EVENT_SUMMARY, &summary);
    write_record(to, &event);
}
