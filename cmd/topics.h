/* What is explained that is no command: `atelier help security`, atelier-security(7). */
#ifndef ATELIER_TOPICS_H
#define ATELIER_TOPICS_H

struct topic {
    const char *name, *summary;
    const char *text; /* paragraphs; lines that begin with a blank are a table */
};

extern const struct topic topics[];
extern const int topic_count;

/* NULL: there is none of that name. */
const struct topic *topic_find(const char *name);

#endif
