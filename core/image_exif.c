/* What EXIF (through libexif) and XMP say of how a picture is to be shown. */
#include "image_file.h"

#include <libexif/exif-data.h>
#include <stdlib.h>
#include <string.h>

/* A thumbnail and a maker's notes fit; libexif copies the whole block. */
enum { EXIF_MAX_BYTES = 16 << 20 };

static const uint8_t prefix[6] = "Exif\0";

static int valid_orientation(long value) { return value >= 1 && value <= 8 ? (int)value : 0; }

/* A number of any integer type: writers do not agree on SHORT. */
static long number_of(ExifEntry *entry, ExifByteOrder order)
{
    if (entry->format == EXIF_FORMAT_BYTE && entry->size >= 1)
        return entry->data[0];
    if (entry->format == EXIF_FORMAT_SHORT && entry->size >= 2)
        return exif_get_short(entry->data, order);
    if (entry->format == EXIF_FORMAT_LONG && entry->size >= 4)
        return (long)exif_get_long(entry->data, order);
    return 0;
}

static void look_into(struct image_exif *exif, ExifData *data)
{
    ExifEntry *turn = exif_content_get_entry(data->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION);
    if (turn && !exif->orientation)
        exif->orientation = valid_orientation(number_of(turn, exif_data_get_byte_order(data)));
    ExifEntry *rule = exif_content_get_entry(data->ifd[EXIF_IFD_INTEROPERABILITY],
                                             EXIF_TAG_INTEROPERABILITY_INDEX);
    if (rule && rule->size >= 3 && memcmp(rule->data, "R03", 3) == 0)
        exif->adobe_rgb = true;
}

void image_exif_read(struct image_exif *exif, const uint8_t *block, size_t bytes)
{
    bool has_prefix = bytes >= sizeof prefix && memcmp(block, prefix, sizeof prefix) == 0;
    size_t head = has_prefix ? 0 : sizeof prefix;
    if (bytes < 8 || bytes > EXIF_MAX_BYTES)
        return;
    uint8_t *whole = malloc(head + bytes);
    if (!whole)
        return;
    memcpy(whole, prefix, head);
    memcpy(whole + head, block, bytes);
    ExifData *data = exif_data_new_from_data(whole, (unsigned)(head + bytes));
    if (data)
        look_into(exif, data);
    exif_data_unref(data);
    free(whole);
}

/* tiff:Orientation="6" or <tiff:Orientation>6</tiff:Orientation> */
void image_xmp_read(struct image_exif *exif, const char *packet, size_t bytes)
{
    static const char key[] = "tiff:Orientation";
    const char *found = memmem(packet, bytes, key, sizeof key - 1), *end = packet + bytes;
    if (!found || exif->xmp_orientation)
        return;
    found += sizeof key - 1;
    while (found < end && strchr("=>\"' \t\r\n", *found) && *found)
        found++;
    if (found < end && *found >= '1' && *found <= '8')
        exif->xmp_orientation = *found - '0';
}

int image_exif_orientation(const struct image_exif *exif)
{
    return exif->orientation       ? exif->orientation
           : exif->xmp_orientation ? exif->xmp_orientation
                                   : 1;
}
