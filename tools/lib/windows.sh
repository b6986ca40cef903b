# What a build for Windows needs; sourced by tools/test behind setup.sh.
#
# The compiler and Wine are Debian packages.  libsodium and Zstandard are built once, statically, from Debian's source
# packages into $build_root/windows-deps; Boost, GSL, Catch2, CLI11, {fmt} and nlohmann-json are headers, of
# which links to Debian's are put beside it: the cross compiler must not see all of /usr/include.

packages_for_windows=(g++-mingw-w64-x86-64-posix wine wine64 autoconf automake libtool make dpkg-dev
  libsodium-dev libboost-dev libmsgsl-dev libfmt-dev libzstd-dev libcli11-dev nlohmann-json3-dev catch2)
windows_host=x86_64-w64-mingw32
windows_deps=$build_root/windows-deps

# download_source PACKAGE BINARY DIRECTORY: the source package as apt verifies it.  Its lists are kept apart, so that
# neither root nor a change of the machine's sources is needed.  The newest; where a mirror names that and does not
# have it yet, the one that BINARY, a package installed here, was built from.
download_source() {
  local package=$1 binary=$2 directory=$3 apt=$3/apt file
  mkdir -p "$apt/parts" "$apt/lists/partial" "$apt/cache/archives/partial"
  sed 's/^deb /deb-src /' /etc/apt/sources.list >"$apt/sources.list" 2>/dev/null || : >"$apt/sources.list"
  for file in /etc/apt/sources.list.d/debian*.sources; do
    [ -e "$file" ] || continue
    sed 's/^Types:.*/Types: deb-src/' "$file" >"$apt/parts/${file##*/}"
  done
  local options=(-qq -o "Dir::Etc::SourceList=$apt/sources.list" -o "Dir::Etc::SourceParts=$apt/parts"
    -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt/cache")
  apt-get "${options[@]}" update &&
    cd "$directory" &&
    { apt-get "${options[@]}" source --download-only "$package" ||
      apt-get "${options[@]}" source --download-only \
        "$package=$(dpkg-query -W -f '${source:Version}' "$binary")"; }
}

# The two below run in a shell of their own.  Each command is bound to the next: where a caller asks how a function
# ended, `set -e` does nothing in it.

build_windows_libsodium() {
  local work=$windows_deps/work
  rm -rf "$work" &&
    mkdir -p "$work" &&
    download_source libsodium libsodium-dev "$work" &&
    dpkg-source -x "$work"/libsodium_*.dsc "$work/libsodium" &&
    cd "$work/libsodium" &&
    autoreconf -fi &&
    ./configure --host="$windows_host" --prefix="$windows_deps/libsodium" --enable-static --disable-shared &&
    make -j "$jobs" install &&
    rm -rf "$work"
}

build_windows_zstd() {
  local work=$windows_deps/work
  rm -rf "$work" &&
    mkdir -p "$work" "$windows_deps/zstd/lib" "$windows_deps/zstd/include" &&
    download_source libzstd libzstd-dev "$work" &&
    dpkg-source -x "$work"/libzstd_*.dsc "$work/libzstd" &&
    make -C "$work/libzstd/lib" -j "$jobs" CC="$windows_host-gcc" AR="$windows_host-ar" ZSTD_NO_ASM=1 libzstd.a &&
    cp "$work/libzstd/lib/zstd.h" "$work/libzstd/lib/zstd_errors.h" "$windows_deps/zstd/include/" &&
    cp "$work/libzstd/lib/libzstd.a" "$windows_deps/zstd/lib/" &&
    rm -rf "$work"
}

# header_package NAME VERSION CFLAGS: a pkg-config file for a library that is only headers.
header_package() {
  printf 'Name: %s\nDescription: headers of Debian'"'"'s package\nVersion: %s\nCflags: -isystem %s/include %s\n' \
    "$1" "$2" "$windows_deps" "$3" >"$windows_deps/pkgconfig/$1.pc"
}
debian_version() { dpkg-query -W -f '${Version}' "$1" | sed 's/^[0-9]*://; s/[-+].*//'; }

link_windows_headers() {
  local name
  rm -rf "$windows_deps/include" "$windows_deps/pkgconfig"
  mkdir -p "$windows_deps/include" "$windows_deps/lib" "$windows_deps/pkgconfig"
  for name in boost gsl fmt CLI nlohmann catch2; do
    [ -d "/usr/include/$name" ] || fail "/usr/include/$name is missing"
    ln -s "/usr/include/$name" "$windows_deps/include/$name"
  done
  header_package fmt "$(debian_version libfmt-dev)" -DFMT_HEADER_ONLY
  header_package catch2 "$(debian_version catch2)" ''
  header_package CLI11 "$(debian_version libcli11-dev)" ''
  header_package nlohmann_json "$(debian_version nlohmann-json3-dev)" ''
  printf 'Name: libzstd\nDescription: from Debian'"'"'s source package\nVersion: %s\nCflags: -isystem %s\nLibs: %s\n' \
    "$(debian_version libzstd-dev)" "$windows_deps/zstd/include" "$windows_deps/zstd/lib/libzstd.a" \
    >"$windows_deps/pkgconfig/libzstd.pc"
  header_package msgsl "$(debian_version libmsgsl-dev)" ''
  cat >"$windows_deps/paths.ini" <<PATHS
[properties]
boost_includedir = '$windows_deps/include'
boost_librarydir = '$windows_deps/lib'
pkg_config_libdir = '$windows_deps/pkgconfig:$windows_deps/libsodium/lib/pkgconfig'
[binaries]
cpp = [$(compiler "'$windows_host-g++-posix'" | sed "s/^ccache /'ccache', /")]
PATHS
}

# prepare_windows: everything that `configure_windows` needs.
prepare_windows() {
  install_missing "${packages_for_windows[@]}" || return
  mkdir -p "$windows_deps" || return
  [ -e "$windows_deps/libsodium/lib/libsodium.a" ] || (build_windows_libsodium) || return
  [ -e "$windows_deps/zstd/lib/libzstd.a" ] || (build_windows_zstd) || return
  link_windows_headers
}

# What meson setup is told besides.
windows_cross=(--cross-file "$root/tools/lib/mingw-w64.ini" --cross-file "$windows_deps/paths.ini")

# start_wine: an own place for what Wine keeps, made before programs run side by side.  Its server stays until
# stop_wine: otherwise it ends when no program runs, and one that starts at that moment ends with it.
start_wine() {
  export WINEPREFIX=$build_root/wine WINEDEBUG=-all DISPLAY=
  wineserver -k || true  # one that a killed run has left behind
  wine cmd /c exit >/dev/null 2>&1 || fail "Wine does not run: start 'wine cmd' to see why"
  wineserver -w
  wineserver -p >/dev/null 2>&1 </dev/null
  wine_started=1
}
stop_wine() { if [ -n "${wine_started-}" ]; then wineserver -k || true; fi; }
