#!/bin/sh
# Takes redirection away: deletes every jump to the ISTIO_ chains, last first, then empties and deletes the chains, in every
# table of both iptables variants. What is not there is no error; other rules are not touched.
#
# usage: undo.sh [-n] [-f nft|legacy] [-c names] [-k names]
#   -n prints what would be fed to iptables-restore; -c and -k as they were given to redirect.sh.
set -euf
here=$(dirname "$0")
. "$here/common.sh"

dry= force= interfaces=${ISTIO_EXCLUDE_INTERFACES:-} virtual=${KUBE_VIRT_INTERFACES:-}
while getopts 'nf:c:k:' letter; do
  case $letter in
    n) dry=1 ;;
    f) force=$OPTARG ;;
    c) interfaces=$OPTARG ;;
    k) virtual=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# = 0 ] || fail ERR_USAGE "too many arguments: $1" 'give options only' 2
case $interfaces$virtual in *[!A-Za-z0-9_.@:,+-]*) fail ERR_INTERCEPTION_INTERFACE '-c or -k has what is no interface name' 'write names like eth0 with commas between' 2 ;; esac

# From iptables-save output to iptables-restore input.
plan() {
  awk -v interfaces="$interfaces" -v virtual="$virtual" '
    BEGIN {
      split("ISTIO_INBOUND ISTIO_REDIRECT ISTIO_IN_REDIRECT ISTIO_OUTPUT ISTIO_OUTPUT_DNS ISTIO_DIVERT ISTIO_TPROXY ISTIO_DROP", names, " ")
      for (i in names) own[names[i]] = 1
      count = split(interfaces, names, ",")
      for (i = 1; i <= count; i++) {
        plain["-A PREROUTING -i " names[i] " -j RETURN"] = 1
        plain["-A OUTPUT -o " names[i] " -j RETURN"] = 1
      }
      count = split(virtual, names, ",")
      for (i = 1; i <= count; i++) plain["-A PREROUTING -i " names[i] " -j RETURN"] = 1
    }
    /^\*/ { table = $1; jumps = chains = 0; next }
    /^:/ { name = substr($1, 2); if (name in own) chain[++chains] = name; next }
    /^-A / {
      target = ""
      for (i = 3; i < NF; i++) if ($i == "-j" || $i == "-g") target = $(i + 1)
      if (!($2 in own) && (target in own || (table == "*nat" && $0 in plain))) jump[++jumps] = substr($0, 3)
      next
    }
    /^COMMIT/ {
      if (jumps + chains == 0) next
      print table
      for (i = jumps; i > 0; i--) print "-D" jump[i]
      for (i = 1; i <= chains; i++) print "-F " chain[i]
      for (i = 1; i <= chains; i++) print "-X " chain[i]
      print "COMMIT"
    }'
}

need_root
found=$(iptables_found "$force")
[ -n "$found" ] || fail ERR_INTERCEPTION_NO_BINARY 'no iptables-save can be run' 'install the iptables package'
done=
for name in $found; do
  input=$("$name-save" | plan)
  [ -n "$input" ] || continue
  if [ -n "$dry" ]; then
    printf '%s\n' "$input"
    continue
  fi
  # shellcheck disable=SC2046
  printf '%s\n' "$input" | "$name-restore" --noflush $(wait_option "$name") || fail ERR_INTERCEPTION_COMMAND "$name-restore refused" 'nothing of the refused table was changed; see its message above'
  done="${done:+$done, }deleted redirection ($name)"
done
if [ -z "$dry" ]; then echo "${done:-nothing to do: no redirection is in place}"; fi
