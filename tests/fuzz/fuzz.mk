# Builds $(FOLDER)/fuzz_$(NAME) with clang's libFuzzer, AddressSanitizer and UBSan; fuzz.sh calls it. It needs the libraries
# that the program is built with; OpenMP's header is gcc's own, without the attribute that clang does not know, and its
# pragmas are passed over.
TOP := ../..
PACKAGES := hdf5 yaml-0.1 zimg libpng libjpeg libexif lcms2 jansson libcurl
CFLAGS := -std=gnu11 -D_GNU_SOURCE -DLBFGS_VERSION='""' -g -O1 -Wno-source-uses-openmp -Wno-unknown-pragmas \
  -fsanitize=address,undefined -fno-sanitize-recover=undefined $(patsubst %,-I$(TOP)/%,core weights jobs mpi)
# FORMAT,PACKAGES: where they are installed
format = $(if $(shell pkg-config --exists $(2) && echo yes),$(eval PACKAGES += $(2))$(eval CFLAGS += -DATELIER_$(1)=1))
$(call format,WEBP,libwebp libwebpdemux)
$(call format,TIFF,libtiff-4)
$(call format,HEIF,libheif)
CFLAGS += $(shell pkg-config --cflags $(PACKAGES)) -D'__malloc__(...)=' -idirafter $(dir $(shell gcc -print-file-name=include/omp.h))
LIBS := $(shell pkg-config --libs $(PACKAGES)) -lhdf5_hl -lcsv -lcrypto -lz -lm $(shell gcc -print-file-name=libgomp.so)

# A target links with no more of these than it needs: neither kernels nor what draws.
weights := $(filter-out %_isa.c %onednn.c %optimiser.c,$(wildcard $(TOP)/core/*.c $(TOP)/weights/*.c))
jobs := $(weights) $(foreach c,$(wildcard $(TOP)/jobs/*.c),$(if $(findstring report,$c)$(filter %_draw.c \
  %drawing.c %sheet_layout.c %thumbnail.c %tensorboard.c,$c),,$c))
of_jobs := sweep manifest store only params result
sources := $(if $(filter protocol,$(NAME)),$(TOP)/mpi/protocol.c,$(if $(filter $(of_jobs),$(NAME)),$(jobs),$(weights)))
objects := $(patsubst %.c,$(FOLDER)/objects/%.o,$(notdir $(sources)))

vpath %.c $(TOP)/core $(TOP)/weights $(TOP)/jobs $(TOP)/mpi

$(FOLDER)/fuzz_$(NAME): fuzz_$(NAME).c $(FOLDER)/$(NAME).a
	clang $(CFLAGS) -fsanitize=fuzzer $^ $(LIBS) -o $@

$(FOLDER)/$(NAME).a: $(objects)
	rm -f $@
	ar rcs $@ $^

$(FOLDER)/objects/%.o: %.c
	clang $(CFLAGS) -fsanitize=fuzzer-no-link -MMD -c $< -o $@

-include $(FOLDER)/objects/*.d
