#include "publish_stream.h"

int publish_stream_begin(const char *path, struct publish_stream *out, struct error *err)
{
    struct publish_stream stream = {0};
    int status = publish_begin(path, &stream.publication, err);
    if (status != 0)
        return status;
    stream.file = publish_as_stream(&stream.publication);
    if (!stream.file) {
        status = fail_errno(err, "cannot write '%s'", path);
        publish_abort(&stream.publication);
        return status;
    }
    *out = stream;
    return 0;
}

int publish_stream_end(struct publish_stream *stream, int status, struct error *err)
{
    if (!stream->file)
        return status;
    int lost = ferror(stream->file);
    lost |= fclose(stream->file);
    if (status == 0 && lost)
        status = fail_errno(err, "cannot write '%s'", stream->publication.path);
    if (status == 0)
        status = publish_commit(&stream->publication, err);
    else
        publish_abort(&stream->publication);
    *stream = (struct publish_stream){0};
    return status;
}
