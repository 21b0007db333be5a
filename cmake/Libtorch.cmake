# Finds libtorch and makes the target torch::cpu, with the CUDA half linked in where that is wanted and possible.
# Looked for in this order: TORCH_ROOT (a folder with include/ and lib/), CMAKE_PREFIX_PATH (a libtorch folder, a
# site-packages folder, or torch.utils.cmake_prefix_path), the active Python's torch (VIRTUAL_ENV, CONDA_PREFIX, python3 on
# PATH), the venv that `make setup` fills: as scripts/setup.sh does. TorchConfig.cmake of a CUDA wheel asks for the whole CUDA
# toolkit even when only the CPU half is linked, so the few libraries are named here by hand.
set(TORCH_ROOT "" CACHE PATH "folder with libtorch's include/ and lib/")
set(CIRCUITDIFF_TORCH_VERSION 2.11)

# The folder's version as "2.11"; empty where it holds no libtorch.
function(libtorch_version DIR OUT)
  set(${OUT} "" PARENT_SCOPE)
  if(NOT EXISTS ${DIR}/include/ATen/Tensor.h OR NOT EXISTS ${DIR}/lib/libtorch_cpu.so)
    return()
  endif()
  # Up to 2.8 the numbers stood elsewhere; such a version is too old in any case.
  set(version "older than 2.9")
  foreach(header IN ITEMS torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
    if(EXISTS ${DIR}/include/${header})
      file(STRINGS ${DIR}/include/${header} lines REGEX "define TORCH_VERSION_M(AJOR|INOR) ")
      if(lines)
        string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" version "${lines}")
        break()
      endif()
    endif()
  endforeach()
  set(${OUT} "${version}" PARENT_SCOPE)
endfunction()

set(candidates)
foreach(prefix IN LISTS CMAKE_PREFIX_PATH ITEMS $ENV{CMAKE_PREFIX_PATH})
  string(REPLACE ":" ";" prefixes "${prefix}")
  foreach(dir IN LISTS prefixes)
    list(APPEND candidates ${dir} ${dir}/torch ${dir}/../..)
  endforeach()
endforeach()
find_program(path_python NAMES python3 NO_CACHE NO_CMAKE_PATH NO_CMAKE_ENVIRONMENT_PATH)
foreach(python IN ITEMS "$ENV{VIRTUAL_ENV}/bin/python" "$ENV{CONDA_PREFIX}/bin/python" "${path_python}"
                        "${CMAKE_SOURCE_DIR}/.deps/venv/bin/python")
  if(python AND EXISTS "${python}")
    # find_spec does not import torch, which takes seconds.
    execute_process(COMMAND "${python}" -c
        "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
      OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    list(APPEND candidates ${found})
  endif()
endforeach()

set(torch_dir)
if(TORCH_ROOT)
  libtorch_version("${TORCH_ROOT}" version)
  if(NOT version VERSION_EQUAL CIRCUITDIFF_TORCH_VERSION)
    if(NOT version)
      set(version "none (looked for: include/ATen/Tensor.h and lib/libtorch_cpu.so)")
    endif()
    message(FATAL_ERROR "TORCH_ROOT=${TORCH_ROOT}: wanted libtorch ${CIRCUITDIFF_TORCH_VERSION}, found ${version}")
  endif()
  set(torch_dir "${TORCH_ROOT}")
else()
  set(passed_over)
  foreach(dir IN LISTS candidates)
    libtorch_version("${dir}" version)
    if(version VERSION_EQUAL CIRCUITDIFF_TORCH_VERSION)
      set(torch_dir "${dir}")
      break()
    elseif(version)
      string(APPEND passed_over "; passed over: ${version} in ${dir}")
    endif()
  endforeach()
endif()
if(NOT torch_dir)
  message(FATAL_ERROR "no libtorch ${CIRCUITDIFF_TORCH_VERSION} found${passed_over}. "
    "Run `make setup`, which fetches it, or name a folder: cmake -DTORCH_ROOT=/path/to/libtorch")
endif()
get_filename_component(torch_dir "${torch_dir}" REALPATH)
message(STATUS "libtorch: ${torch_dir}")
set(CIRCUITDIFF_TORCH_DIR ${torch_dir} CACHE INTERNAL "")

# A CPU set-up of the CUDA wheel has libtorch_cuda.so too, but not the libraries (cuDNN, cuBLAS, ...) that it loads.
file(GLOB cuda_libraries ${torch_dir}/../nvidia/cudnn/lib/libcudnn.so* ${torch_dir}/lib/libcudnn.so*)
find_file(cuda_driver libcuda.so.1 NO_CACHE
  PATHS /usr/lib/x86_64-linux-gnu /usr/lib/aarch64-linux-gnu /usr/lib64 /usr/lib/wsl/lib /usr/local/nvidia/lib64 /usr/local/nvidia/lib)
set(CIRCUITDIFF_CUDA_LINKED OFF)
if(CIRCUITDIFF_CUDA STREQUAL "AUTO")
  if(cuda_driver AND cuda_libraries AND EXISTS ${torch_dir}/lib/libtorch_cuda.so)
    set(CIRCUITDIFF_CUDA_LINKED ON)
  elseif(cuda_driver)
    message(NOTICE "A CUDA driver is here, but not libtorch's CUDA libraries: building for the CPU. `make build CUDA=ON` fetches them.")
  endif()
elseif(CIRCUITDIFF_CUDA)
  if(NOT EXISTS ${torch_dir}/lib/libtorch_cuda.so OR NOT cuda_libraries)
    message(FATAL_ERROR "CIRCUITDIFF_CUDA=${CIRCUITDIFF_CUDA}, but ${torch_dir} lacks libtorch_cuda.so or cuDNN; "
      "`make build CUDA=ON` fetches them")
  endif()
  set(CIRCUITDIFF_CUDA_LINKED ON)
endif()
message(STATUS "CUDA: ${CIRCUITDIFF_CUDA_LINKED}")

add_library(torch_cpu_imported INTERFACE)
add_library(torch::cpu ALIAS torch_cpu_imported)
# The wheel carries headers of another fmt than the one that is linked: ours go first.
get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt_first)
file(CREATE_LINK ${fmt_include}/fmt ${CMAKE_BINARY_DIR}/fmt_first/fmt SYMBOLIC)
target_include_directories(torch_cpu_imported SYSTEM INTERFACE
  ${CMAKE_BINARY_DIR}/fmt_first ${torch_dir}/include ${torch_dir}/include/torch/csrc/api/include)
# Else ATen/TensorOperators.h includes every operator there is.
target_compile_definitions(torch_cpu_imported INTERFACE AT_PER_OPERATOR_HEADERS)
set(torch_libs ${torch_dir}/lib/libtorch_cpu.so ${torch_dir}/lib/libc10.so)
if(CIRCUITDIFF_CUDA_LINKED)
  # --no-as-needed: nothing of ours calls into libtorch_cuda; it registers its kernels when it is loaded.
  set(torch_libs -Wl,--no-as-needed ${torch_dir}/lib/libtorch_cuda.so ${torch_dir}/lib/libc10_cuda.so -Wl,--as-needed ${torch_libs})
endif()
target_link_libraries(torch_cpu_imported INTERFACE ${torch_libs})
# The wheel's libraries find each other by their own RPATH; what they find is not ours to resolve at link time. The path to
# them in the build tree is added by CMake, and replaced when the program is installed (Install.cmake).
target_link_options(torch_cpu_imported INTERFACE -Wl,--allow-shlib-undefined)
