# Sourced by redirect.sh and undo.sh: refusals, and which iptables holds rules. Changes nothing.
# The two variants, nft and legacy, do not see each other's rules; the one that has rules is believed, then nft.

LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH

# fail CODE MESSAGE MEND [EXIT]
fail() {
  printf 'error: %s %s; %s\n' "$1" "$(printf '%s' "$2" | tr -d '\000-\037\177')" "$3" >&2
  exit "${4:-1}"
}

need_root() {
  [ "$(id -u)" = 0 ] || fail ERR_INTERCEPTION_NOT_ROOT "user $(id -u) may neither read nor change redirection" \
    'run it as root with NET_ADMIN and NET_RAW, or see redirect.sh -n'
}

# Names of the iptables that can be read, the most believable first.
iptables_found() {
  names='iptables-nft iptables-legacy'
  case ${1:-} in
    nft) names=iptables-nft ;;
    legacy) names=iptables-legacy ;;
    '') command -v iptables-nft-save >/dev/null || command -v iptables-legacy-save >/dev/null || names=iptables ;;
    *) fail ERR_USAGE "-f $1 is no variant" 'use nft or legacy' 2 ;;
  esac
  for name in $names; do
    command -v "$name-save" >/dev/null || continue
    saved=$("$name-save" 2>/dev/null) || continue
    case $saved in
      *:ISTIO_*) rank=0 ;;
      *'
-A '*) rank=1 ;;
      *) rank=2 ;;
    esac
    printf '%s %s\n' "$rank" "$name"
  done | sort -s -k 1,1 | cut -d ' ' -f 2
}

# The legacy tool waits for its lock; nft has none.
wait_option() {
  case $1 in *-legacy) printf '%s' '--wait=30' ;; esac
}
