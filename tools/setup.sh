# What run.sh and test.sh share: packages, the build folder, the build.  Sourced by bash.

# Debian 12 and Ubuntu have all of these under the same names.
mill_packages_build="gcc libc6-dev meson ninja-build pkg-config libyaml-dev libjansson-dev libcurl4-openssl-dev libexpat1-dev libevent-dev libarchive-dev libssl-dev python3 python3-pip python3-venv ca-certificates"
mill_packages_test="$mill_packages_build libcmocka-dev clang libclang-rt-dev valgrind python3-pytest curl"

# Pages are looked at in it where it can be had; Ubuntu has it as a snap only.
mill_packages_browser="chromium chromium-driver"

# Images go to a registry through skopeo; the tests start a registry of their own.
mill_packages_cluster="skopeo docker-registry"

mill_say() { printf '%s\n' "run.sh: $*" >&2; }

# mill_need build|test: installs what is missing as root, else says exactly what is and ends.
mill_need() {
	local list=mill_packages_$1 missing=() name
	if ! command -v dpkg-query >/dev/null; then
		mill_say "this is no Debian or Ubuntu: make sure of the equivalents of: ${!list}"
		return 0
	fi
	for name in ${!list}; do
		# a virtual or renamed package (libclang-rt-dev on Debian 12 is libclang-rt-14-dev)
		case $name in
		libclang-rt-dev) ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a >/dev/null 2>&1 && continue ;;
		esac
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" = 0 ]; then
		mill_say "installing ${missing[*]}"
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq update >/dev/null 2>&1 || true
		mill_rename missing
		local log
		log=$(mktemp)
		if ! apt-get -qq install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
			tail -n 20 "$log" >&2
			mill_say "apt-get could not install: ${missing[*]}; its log is $log"
			exit 1
		fi
		rm -f "$log"
		return 0
	fi
	mill_rename missing
	mill_say "these packages are missing: ${missing[*]}"
	mill_say "next: sudo apt-get install ${missing[*]}"
	exit 1
}

# mill_want LIST: as root, installs what is missing of packages that tests can do without.
mill_want() {
	local list=mill_packages_$1 name missing=()
	for name in ${!list}; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} -eq 0 ] && return 0
	if [ "$(id -u)" = 0 ] && apt-cache show "${missing[@]}" >/dev/null 2>&1; then
		mill_say "installing ${missing[*]}"
		DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null 2>&1 && return 0
	fi
	mill_say "tests go without ${missing[*]}"
}

# Names that differ between releases.
mill_rename() {
	local -n names=$1
	local i
	for i in "${!names[@]}"; do
		if [ "${names[$i]}" = libclang-rt-dev ] && ! apt-cache show libclang-rt-dev >/dev/null 2>&1; then
			names[$i]=$(apt-cache --names-only search '^libclang-rt-[0-9]+-dev$' 2>/dev/null | sort -V | tail -n 1 | cut -d' ' -f1)
			local version
			version=$(apt-cache depends clang 2>/dev/null | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p' | head -n 1)
			[ -n "$version" ] && names[$i]=libclang-rt-$version-dev
		fi
	done
}

# The checkout's build/ if it can be written, else one below the cache.
mill_build_dir() {
	if [ -n "${MILL_BUILD_DIR:-}" ]; then
		printf '%s\n' "$MILL_BUILD_DIR"
	elif [ -w "$1" ]; then
		printf '%s\n' "$1/build"
	else
		printf '%s\n' "${XDG_CACHE_HOME:-$HOME/.cache}/data-mill/build-$(printf '%s' "$1" | cksum | cut -d' ' -f1)"
	fi
}

mill_build_is_stale() {
	[ ! -x "$2/src/data-mill" ] || [ ! -e "$2/.built" ] ||
		[ -n "$(find "$1/src" "$1/meson.build" "$1/meson_options.txt" -newer "$2/.built" -print -quit)" ]
}

# mill_build SOURCE BUILD: one at a time; quiet unless it fails.
mill_build() {
	mkdir -p "$2"
	exec 9>"$2/.lock"
	flock 9
	if mill_build_is_stale "$1" "$2"; then
		mill_say "building (once, about 20 s)"
		local log="$2/.log"
		[ -e "$2/build.ninja" ] || meson setup "$2" "$1" >"$log" 2>&1 || { tail -n 30 "$log" >&2; mill_say "meson failed; the log is $log"; exit 1; }
		touch "$2/.building"
		ninja -C "$2" src/data-mill src/data-mill-daemon src/data-mill-shim src/data-mill-entry src/data-mill-net.so >"$log" 2>&1 ||
			{ grep -E -A5 'error|FAILED' "$log" | head -n 40 >&2; mill_say "the build failed; the log is $log"; exit 1; }
		mv "$2/.building" "$2/.built"
	fi
	exec 9>&-
}
