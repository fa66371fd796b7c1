#include "layer_words.h"

#include "vgg19.h"
#include <stdio.h>
#include <string.h>

static void add_spelling(int spelling, char words[LAYER_WORDS])
{
    char name[LAYER_NAME];
    for (int conv = 0; conv < VGG19_CONVS; conv++) {
        size_t used = strlen(words);
        if (layer_spelling(spelling, conv, name))
            snprintf(words + used, LAYER_WORDS - used, "%s%s", used ? " " : "", name);
    }
}

void layer_words_of(int spelling, char words[LAYER_WORDS])
{
    *words = 0;
    add_spelling(spelling, words);
}

void layer_words(char words[LAYER_WORDS])
{
    *words = 0;
    for (int spelling = 0; spelling < LAYER_SPELLINGS; spelling++)
        add_spelling(spelling, words);
}
