// How the C library keeps what tensors leave behind.
#pragma once

#if defined(__GLIBC__) || __has_include(<malloc.h>)
#include <malloc.h>
#endif

namespace circuitdiff {

// For a program's first line: blocks of 4 MiB and more go back to the system when they are freed. Left to
// itself the C library comes to keep them on its heap, where small blocks that live on cut them into pieces
// that tensors of the next lengths do not fit in: a fifth more memory than forecast on sequences of mixed
// lengths, for three hundredths of the time saved.
inline void keep_heap_small() {
#if defined(M_MMAP_THRESHOLD)
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
#endif
}

// What was freed and is still kept for the next blocks goes back to the system: between phases whose blocks
// are of other sizes.
inline void give_back_heap() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

// While it lives, blocks below 32 MiB (the C library's most) stay on the heap: for work that makes tensors of
// the same few sizes over and over, whose pages would else be the system's to clear each time. The setting is
// the whole process's; behind it comes keep_heap_small().
class LargeHeap {
 public:
  LargeHeap() {
#if defined(M_MMAP_THRESHOLD)
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  }
  ~LargeHeap() {
#if defined(M_MMAP_THRESHOLD)
    mallopt(M_TRIM_THRESHOLD, 128 << 10);  // the C library's own
#endif
    keep_heap_small();
    give_back_heap();
  }
  LargeHeap(const LargeHeap&) = delete;
  LargeHeap& operator=(const LargeHeap&) = delete;
};

}  // namespace circuitdiff
