#!/bin/sh
# deps.sh PACKAGE...: installs those of these Debian packages that are missing; silent when none is.  As root, or
# through sudo; where neither is to be had it says what to install, and fails.
set -u

# shellcheck disable=SC2016     # dpkg's variables, not the shell's
have=$(dpkg-query -W -f='${Package}:${db:Status-Status}\n' "$@" 2>/dev/null)
missing=
for p; do
	case "
$have
" in
	*"
$p:installed
"*) ;;
	*) missing="$missing $p" ;;
	esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
	if command -v dpkg-query >/dev/null || ! pkg-config --exists openblas libarchive libcjson 2>/dev/null; then
		echo "this is no Debian system; what is needed goes by these names there:$missing" >&2
		exit 1
	fi
	exit 0                  # somebody has seen to it in another system's way
fi
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
	sudo=sudo
else
	echo "packages are missing, and neither root nor sudo is at hand; as root, run" >&2
	echo "    apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
echo "installing Debian packages:$missing" >&2

apt() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" \
		</dev/null >"$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086     # a list
if ! { apt-cache show $missing >/dev/null 2>&1 && apt install --no-install-recommends $missing; }; then
	# No lists of packages here, or old ones.
	if ! { apt update && apt install --no-install-recommends $missing; }; then
		cat "$log" >&2
		echo "apt-get could not install:$missing" >&2
		exit 1
	fi
fi
