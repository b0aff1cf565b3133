# Debian packages of what is installed: `cpack -G DEB`, best by server/package. To be included last.
if(NOT CMAKE_INSTALL_PREFIX STREQUAL /usr OR NOT BUILD_SHARED_LIBS)
  return()  # such a build is for other places
endif()
set(debian_dir ${CMAKE_CURRENT_LIST_DIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "voicechan maintainers <maintainers@voicechan.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_SET_DESTDIR ON)  # for what goes to /etc
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/libvoicechan)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)

# debian_package(COMPONENT NAME SUMMARY TEXT): a package and the papers that each has.
function(debian_package component package summary text)
  set(papers ${CMAKE_CURRENT_BINARY_DIR}/debian/${package})
  configure_file(${debian_dir}/copyright.in ${papers}/copyright @ONLY)
  configure_file(${debian_dir}/changelog.in ${papers}/changelog @ONLY)
  execute_process(COMMAND gzip -9nf changelog
    WORKING_DIRECTORY ${papers} COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${papers}/copyright ${papers}/changelog.gz
    DESTINATION share/doc/${package} COMPONENT ${component})

  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${package} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${component} PARENT_SCOPE)
endfunction()

# Named after the version of the ABI, which a change of the minor version breaks.
set(abi ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(library libvoicechan${abi})
set(needs_library "${library} (= ${PROJECT_VERSION})")

debian_package(library ${library} "voice channels and WebRTC signaling, shared libraries"
"The core of voicechan, to be embedded in a game server, a chat product or a
gateway: voice channels, invitations, audio rooms and signaling. It opens no
socket and starts no thread. Beside it is the store of users and channels in
SQLite.")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
configure_file(${debian_dir}/shlibs.in debian/shlibs @ONLY)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA
  ${PROJECT_BINARY_DIR}/debian/shlibs ${debian_dir}/triggers)
configure_file(${debian_dir}/overrides.in debian/overrides @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/debian/overrides
  DESTINATION share/lintian/overrides RENAME ${library} COMPONENT library)

debian_package(dev libvoicechan-dev "voice channels and WebRTC signaling, development files"
"Headers, CMake package and pkg-config files of libvoicechan, a library for
voice channels, invitations, audio rooms and WebRTC signaling.")
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${needs_library}")

if(VOICECHAN_SERVER)
  debian_package(server voicechan-server "voice channels and WebRTC signaling, server"
"Voice channels, invitations, audio rooms and WebRTC signaling over HTTP and
WebSocket, with users and channels in an SQLite database. Runs as a service
under a user of its own.")
  set(CPACK_DEBIAN_SERVER_PACKAGE_DEPENDS "${needs_library}, adduser")
  install(FILES ${debian_dir}/voicechan.toml DESTINATION /etc/voicechan COMPONENT server)
  file(GLOB notices /usr/share/doc/libasio-dev/copyright
    /usr/share/doc/libwebsocketpp-dev/copyright /usr/share/doc/libcli11-dev/copyright)
  foreach(notice IN LISTS notices)
    string(REGEX REPLACE ".*/lib(.*)-dev/copyright" "copyright.\\1" name ${notice})
    install(FILES ${notice} DESTINATION share/doc/voicechan-server RENAME ${name} COMPONENT server)
  endforeach()
  set(CPACK_DEBIAN_SERVER_PACKAGE_CONTROL_EXTRA
    ${debian_dir}/conffiles ${debian_dir}/postinst ${debian_dir}/prerm ${debian_dir}/postrm)
endif()

if(TARGET voicechan-load)
  debian_package(load voicechan-load "load generator for WebSocket relays"
"Fills rooms of voicechan-server, or of another WebSocket relay, with speakers
and listeners and checks each delivery: loss, order, duplicates. Reports
latencies, and what the server spent.")
  set(CPACK_DEBIAN_LOAD_PACKAGE_SECTION net)
endif()

include(CPack)
