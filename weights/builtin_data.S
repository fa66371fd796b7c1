/* The built-in network's file, and the text about it, as read-only data: its pages are the
 * program's own, read when they are touched and shared by all renders of a host. */
    .section .rodata

    .balign 4096
    .global builtin_network_start
    .hidden builtin_network_start
builtin_network_start:
    .incbin ATELIER_NETWORK
    .global builtin_network_end
    .hidden builtin_network_end
builtin_network_end:
    .byte 0

    .global builtin_facts_start
    .hidden builtin_facts_start
builtin_facts_start:
    .incbin ATELIER_NETWORK_FACTS
    .byte 0

    .section .note.GNU-stack, "", %progbits
