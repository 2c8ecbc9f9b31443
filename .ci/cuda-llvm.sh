#!/usr/bin/env bash
# Puts Debian's LLVM 23 where the build script of burn's CUDA backend looks for the one that it downloads (it makes PTX with it), for where that
# download can't be had. On Debian 12, as root; `make build FEATURES=cuda` and `make check-cuda` call it after a download that failed.
#
# Nothing is installed but a compiler and zlib's and zstd's headers: the package of Debian's newest suite is unpacked, its static libraries are linked,
# and the binary wants glibc 2.36 at most.
set -euo pipefail
prefix=${XDG_DATA_HOME:-$HOME/.local/share}/tracel/tracel-llvm-23.1.0-4
[ -e "$prefix/.tracel-llvm-installed" ] && { echo "already there: $prefix"; exit 0; }
if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "burn's build script could not download its LLVM; on Debian 12, .ci/cuda-llvm.sh takes Debian's when it runs as root" >&2
    exit 1
fi
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mirror=$(awk '/^URIs:/ {print $2; exit}' /etc/apt/sources.list.d/debian.sources)
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$work/sources.list"
apt=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
apt-get -q install -y libzstd-dev zlib1g-dev g++ >/dev/null
apt-get -q "${apt[@]}" update >/dev/null
(cd "$work" && apt-get -q "${apt[@]}" download llvm-23-dev >/dev/null && dpkg -x llvm-23-dev_*.deb unpacked)

mkdir -p "$prefix/bin" "$prefix/lib" "$prefix/include"
cp "$work"/unpacked/usr/lib/llvm-23/lib/libLLVM*.a "$prefix/lib/"
cp -rL "$work/unpacked/usr/include/llvm-23/llvm" "$work/unpacked/usr/include/llvm-c-23/llvm-c" "$prefix/include/"

# The archives were built against glibc 2.38, whose strtol family also reads 0b101; LLVM does not use that.
cat >"$work/isoc23.c" <<'C'
#include <stdlib.h>
long __isoc23_strtol(const char *s, char **e, int b) { return strtol(s, e, b); }
long long __isoc23_strtoll(const char *s, char **e, int b) { return strtoll(s, e, b); }
unsigned long __isoc23_strtoul(const char *s, char **e, int b) { return strtoul(s, e, b); }
unsigned long long __isoc23_strtoull(const char *s, char **e, int b) { return strtoull(s, e, b); }
C
gcc -O2 -std=c11 -c "$work/isoc23.c" -o "$work/isoc23.o" && ar rcs "$prefix/lib/libisoc23.a" "$work/isoc23.o"

# Debian's llvm-config wants a newer glibc; this answers what the build script asks.
cat >"$prefix/bin/llvm-config" <<'S'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
for asked; do
    case $asked in
    --libdir) echo "$here/lib" ;;
    --includedir) echo "$here/include" ;;
    --version) echo 23.1.4 ;;
    --libs | --libnames) (cd "$here/lib" && ls libLLVM*.a libisoc23.a | sed 's/^lib/-l/; s/\.a$//' | grep -v -e -lLLVMExtensions -e -lLLVMTableGen | tr '\n' ' ') ;;
    --system-libs) echo "-lrt -ldl -lm -lz -lzstd" ;;
    --cxxflags) echo "-I$here/include -std=c++17 -D_GNU_SOURCE -D__STDC_CONSTANT_MACROS -D__STDC_FORMAT_MACROS -D__STDC_LIMIT_MACROS -fno-exceptions" ;;
    --cflags) echo "-I$here/include" ;;
    esac
done
S
chmod +x "$prefix/bin/llvm-config"
touch "$prefix/.tracel-llvm-installed"
echo "LLVM for burn-cuda is in $prefix"
