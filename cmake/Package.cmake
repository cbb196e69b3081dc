# The Debian package that cpack makes: scripts/package.
set(CPACK_PACKAGE_NAME pgfanout)
set(CPACK_PACKAGE_VENDOR "the pgfanout authors")
set(CPACK_PACKAGE_CONTACT "the pgfanout authors <pgfanout@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "move a PostgreSQL table into a new partition layout, proven")
set(CPACK_PACKAGE_DESCRIPTION "pgfanout moves a large PostgreSQL table into a new partition layout \
during a maintenance window, proves that nothing was lost or changed, puts the new table in the old \
one's place, and can undo it. It works with PostgreSQL 14 to 18, on any host that reaches the server.")
set(CPACK_GENERATOR DEB)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION database)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS OFF)
# Folders are readable by all, whatever the umask of who builds it.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE
  GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
include(CPack)
