# `cmake --install build --prefix P` makes P/bin/circuitdiff and, in P/lib/circuitdiff, every shared library that it needs
# but the C and C++ runtime and the CUDA driver. The whole of P may then be moved.
set_target_properties(circuitdiff PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/circuitdiff")
install(TARGETS circuitdiff RUNTIME_DEPENDENCY_SET libraries RUNTIME DESTINATION bin)
install(RUNTIME_DEPENDENCY_SET libraries DESTINATION lib/circuitdiff
  PRE_EXCLUDE_REGEXES "^lib(c|m|dl|rt|pthread|util|resolv)\\.so" "^lib(stdc\\+\\+|gcc_s)\\.so" "^ld-linux" "^libcuda\\.so"
  DIRECTORIES ${CIRCUITDIFF_TORCH_DIR}/lib ${CIRCUITDIFF_TORCH_DIR}/../nvidia/cu13/lib)
if(CIRCUITDIFF_CUDA_LINKED)
  # cuDNN, cuBLAS and NVRTC load parts of themselves by name, which no list of dependencies shows; so do we libtorch's own part with NVRTC.
  file(GLOB cuda_parts ${CIRCUITDIFF_TORCH_DIR}/../nvidia/*/lib/*.so*)
  install(FILES ${cuda_parts} ${CIRCUITDIFF_TORCH_DIR}/lib/libcaffe2_nvrtc.so DESTINATION lib/circuitdiff)
endif()
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE DESTINATION share/doc/circuitdiff)
