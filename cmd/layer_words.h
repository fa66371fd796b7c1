/* Every name of VGG-19's layers, for completion. */
#ifndef ATELIER_LAYER_WORDS_H
#define ATELIER_LAYER_WORDS_H

enum { LAYER_WORDS = 1024 };

/* "relu1_1 relu1_2 ...", all spellings. */
void layer_words(char words[LAYER_WORDS]);
/* The same of one spelling (vgg19.h). */
void layer_words_of(int spelling, char words[LAYER_WORDS]);

#endif
