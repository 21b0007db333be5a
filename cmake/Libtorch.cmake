# Finds libtorch and makes the target torch::cpu (and torch::cuda where wanted).
# Looked for in this order: TORCH_ROOT (a folder with include/ and lib/), CMAKE_PREFIX_PATH, the active Python's torch,
# the venv that the Makefile makes. TorchConfig.cmake of a CUDA wheel asks for the whole CUDA toolkit even when
# only the CPU half is linked, so the few libraries are named here by hand.
set(TORCH_ROOT "" CACHE PATH "folder with libtorch's include/ and lib/")
set(CIRCUITDIFF_TORCH_VERSION 2.11)

set(candidates ${TORCH_ROOT})
foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND candidates ${prefix} ${prefix}/../.. ${prefix}/torch)
endforeach()
foreach(python IN ITEMS $ENV{VIRTUAL_ENV}/bin/python $ENV{CONDA_PREFIX}/bin/python ${CMAKE_SOURCE_DIR}/.deps/venv/bin/python)
  if(EXISTS ${python})
    execute_process(COMMAND ${python} -c "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    list(APPEND candidates ${found})
  endif()
endforeach()
set(torch_dir)
foreach(dir IN LISTS candidates)
  if(dir AND EXISTS ${dir}/include/ATen/Tensor.h)
    file(STRINGS ${dir}/include/torch/headeronly/version.h lines REGEX "define TORCH_VERSION_M(AJOR|INOR) " )
    string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" version "${lines}")
    if(version VERSION_EQUAL CIRCUITDIFF_TORCH_VERSION)
      set(torch_dir ${dir})
      break()
    endif()
    message(STATUS "libtorch ${version} in ${dir} passed over: ${CIRCUITDIFF_TORCH_VERSION} is wanted")
  endif()
endforeach()
if(NOT torch_dir)
  message(FATAL_ERROR "no libtorch ${CIRCUITDIFF_TORCH_VERSION} found; run `make setup`, or name a folder: cmake -DTORCH_ROOT=/path/to/torch")
endif()
message(STATUS "libtorch: ${torch_dir}")
set(CIRCUITDIFF_TORCH_DIR ${torch_dir} CACHE INTERNAL "")

add_library(torch_cpu_imported INTERFACE)
add_library(torch::cpu ALIAS torch_cpu_imported)
target_include_directories(torch_cpu_imported SYSTEM INTERFACE ${torch_dir}/include ${torch_dir}/include/torch/csrc/api/include)
set(torch_libs ${torch_dir}/lib/libtorch_cpu.so ${torch_dir}/lib/libc10.so)

set(link_cuda OFF)
if(CIRCUITDIFF_CUDA STREQUAL "AUTO")
  find_file(cuda_driver libcuda.so.1 PATHS /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/local/nvidia/lib64 /usr/local/nvidia/lib NO_CACHE)
  # The wheel's CUDA half needs its own libraries beside it; a CPU set-up has only the runtime.
  if(cuda_driver AND EXISTS ${torch_dir}/lib/libtorch_cuda.so AND EXISTS ${torch_dir}/../nvidia/cudnn)
    set(link_cuda ON)
  endif()
elseif(CIRCUITDIFF_CUDA)
  set(link_cuda ON)
endif()
if(link_cuda)
  # --no-as-needed: nothing of ours calls into libtorch_cuda; it registers its kernels when it is loaded.
  set(torch_libs -Wl,--no-as-needed ${torch_dir}/lib/libtorch_cuda.so ${torch_dir}/lib/libc10_cuda.so -Wl,--as-needed ${torch_libs})
endif()
message(STATUS "CUDA: ${link_cuda}")
target_link_libraries(torch_cpu_imported INTERFACE ${torch_libs})
# The wheel's libraries find each other by their own RPATH; what they find is not ours to resolve at link time.
target_link_options(torch_cpu_imported INTERFACE -Wl,--allow-shlib-undefined -Wl,-rpath,${torch_dir}/lib)
