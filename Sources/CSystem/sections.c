// sections: finds the sections of a name in every image of this process.
//
// A section's address stands only in its file's section headers, which are not loaded; they are mapped, read with every bound checked, and unmapped.

#define _GNU_SOURCE
#include "entry.h"
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct search {
    const char *name;
    void (*found)(const void *, size_t, void *);
    void *context;
    int unreadable;
};

// Whether count elements of a size, beginning at an offset, lie within the file.
static int inside(size_t file, size_t offset, size_t count, size_t size) {
    return offset <= file && (size == 0 || count <= (file - offset) / size);
}

static void search_file(const char *file, size_t size, ElfW(Addr) base, const struct search *search) {
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)file;
    if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return;
    if (!inside(size, header->e_shoff, header->e_shnum, sizeof(ElfW(Shdr))) || header->e_shstrndx >= header->e_shnum) return;
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(file + header->e_shoff);
    const ElfW(Shdr) *names = &sections[header->e_shstrndx];
    if (!inside(size, names->sh_offset, names->sh_size, 1)) return;
    size_t wanted = strlen(search->name) + 1;
    for (size_t index = 0; index < header->e_shnum; index++) {
        const ElfW(Shdr) *section = &sections[index];
        if (!(section->sh_flags & SHF_ALLOC) || section->sh_size == 0 || section->sh_addr == 0) continue;
        if (!inside(names->sh_size, section->sh_name, wanted, 1)) continue;
        if (memcmp(file + names->sh_offset + section->sh_name, search->name, wanted) != 0) continue;
        search->found((const void *)(base + section->sh_addr), section->sh_size, search->context);
    }
}

static int search_image(struct dl_phdr_info *image, size_t unused, void *context) {
    (void)unused;
    struct search *search = context;
    // The executable has no name; what has none later on is the kernel's own image, which has no file.
    const char *path = image->dlpi_name;
    if (!path || !*path) {
        static ElfW(Addr) executable;
        static int seen;
        if (seen && executable != image->dlpi_addr) return 0;
        seen = 1;
        executable = image->dlpi_addr;
        path = "/proc/self/exe";
    } else if (strchr(path, '/') == NULL) {
        return 0;
    }
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        if (descriptor >= 0) close(descriptor);
        search->unreadable++;
        return 0;
    }
    size_t size = (size_t)status.st_size;
    char *file = size ? mmap(NULL, size, PROT_READ, MAP_PRIVATE, descriptor, 0) : MAP_FAILED;
    close(descriptor);
    if (file == MAP_FAILED) {
        search->unreadable++;
        return 0;
    }
    search_file(file, size, image->dlpi_addr, search);
    munmap(file, size);
    return 0;
}

int manta_each_section(const char *name, void (*found)(const void *, size_t, void *), void *context) {
    struct search search = {name, found, context, 0};
    dl_iterate_phdr(search_image, &search);
    return search.unreadable;
}
