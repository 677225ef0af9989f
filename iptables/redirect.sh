#!/bin/sh
# Redirects the traffic of this network namespace to the sidecar: REDIRECT mode, IPv4. For machines and init containers
# without Node; the rules are those of `sallyport iptables show`, in the same order, and a test compares the two.
#
# usage: redirect.sh [-n] [-f nft|legacy] [-p port] [-z port] [-e port] [-u ids] [-g ids] [-m REDIRECT]
#                    [-b ports|*] [-d ports] [-i networks|*] [-x networks] [-q ports] [-o ports] [-c names] [-k names]
#   -n prints the rules and changes nothing; the other letters and their variables are those of `sallyport iptables apply`.
set -euf
here=$(dirname "$0")
. "$here/ports.env"
. "$here/common.sh"

dry= force=
port=$OUTBOUND_PORT
inbound=${INBOUND_CAPTURE_PORT:-$INBOUND_PORT}
tunnel=${INBOUND_TUNNEL_PORT:-$TUNNEL_PORT}
users=${PROXY_UID:-}
groups=${PROXY_GID:-}
mode=${ISTIO_INBOUND_INTERCEPTION_MODE:-REDIRECT}
in_ports=${ISTIO_INBOUND_PORTS:-}
in_exclude=${ISTIO_LOCAL_EXCLUDE_PORTS:-}
nets=${ISTIO_SERVICE_CIDR:-}
nets_exclude=${ISTIO_SERVICE_EXCLUDE_CIDR:-}
out_ports=${ISTIO_OUTBOUND_PORTS:-}
out_exclude=${ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE:-}
interfaces=${ISTIO_EXCLUDE_INTERFACES:-}
virtual=${KUBE_VIRT_INTERFACES:-}
owners=${ISTIO_OUTBOUND_OWNER_GROUPS:-*}
owners_exclude=${ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE:-}
loopback=${ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR:-127.0.0.1/32}

while getopts 'nf:p:z:e:u:g:m:b:d:i:x:q:o:c:k:' letter; do
  case $letter in
    n) dry=1 ;;
    f) force=$OPTARG ;;
    p) port=${OPTARG:-$port} ;;
    z) inbound=${OPTARG:-$inbound} ;;
    e) tunnel=${OPTARG:-$tunnel} ;;
    u) users=$OPTARG ;;
    g) groups=$OPTARG ;;
    m) mode=${OPTARG:-REDIRECT} ;;
    b) in_ports=$OPTARG ;;
    d) in_exclude=$OPTARG ;;
    i) nets=$OPTARG ;;
    x) nets_exclude=$OPTARG ;;
    q) out_ports=$OPTARG ;;
    o) out_exclude=$OPTARG ;;
    c) interfaces=$OPTARG ;;
    k) virtual=$OPTARG ;;
    *) exit 2 ;;
  esac
done
shift $((OPTIND - 1))
[ $# = 0 ] || fail ERR_USAGE "too many arguments: $1" 'give options only' 2

# split OPTION CODE LIST: the items in a line each; nothing between two commas is a mistake.
split() {
  [ -n "$3" ] || return 0
  case ",$3," in
    *,,* | *[[:space:]]*) fail "$2" "$1 has an empty item or a blank: $3" 'write items with commas between' 2 ;;
  esac
  printf '%s\n' "$3" | tr , '\n'
}

ports() {
  list=$(split "$1" ERR_INTERCEPTION_PORT "$2") || exit $?
  for item in $list; do
    case $item in
      [1-9] | [1-9][0-9] | [1-9][0-9][0-9] | [1-9][0-9][0-9][0-9] | [1-9][0-9][0-9][0-9][0-9]) ;;
      *) item=65536 ;;
    esac
    [ "$item" -le 65535 ] || fail ERR_INTERCEPTION_PORT "$1 has what is no port: $2" 'write ports from 1 to 65535 with commas between' 2
    printf '%s\n' "$item"
  done
}

one_port() {
  case $2 in *,*) fail ERR_INTERCEPTION_PORT "$1 is a list: $2" 'give one port' 2 ;; esac
  ports "$1" "$2"
}

no_network() {
  fail ERR_INTERCEPTION_CIDR "$1 has what is no network: $2" 'write networks like 10.0.0.0/8 with commas between' 2
}

# networks OPTION LIST: IPv4 networks, host bits cleared. IPv6 ones are looked at and left out.
networks() {
  list=$(split "$1" ERR_INTERCEPTION_CIDR "$2") || exit $?
  for item in $list; do
    case $item in
      ::ffff:* | *[!0-9a-fA-F:/]*:* | *:*[!0-9a-fA-F:/]*) no_network "$1" "$item" ;;
      *:*) continue ;;
      */*) address=${item%%/*} length=${item#*/} ;;
      *) address=$item length=32 ;;
    esac
    case $length in [0-9] | [12][0-9] | 3[0-2]) ;; *) no_network "$1" "$item" ;; esac
    value=0 octets=0 rest=$address.
    while [ -n "$rest" ]; do
      octet=${rest%%.*} rest=${rest#*.} octets=$((octets + 1))
      case $octet in [0-9] | [1-9][0-9] | [1-9][0-9][0-9]) ;; *) no_network "$1" "$item" ;; esac
      [ "$octet" -le 255 ] && [ "$octets" -le 4 ] || no_network "$1" "$item"
      value=$((value * 256 + octet))
    done
    [ "$octets" = 4 ] || no_network "$1" "$item"
    size=1 bit=$length
    while [ "$bit" -lt 32 ]; do size=$((size * 2)) bit=$((bit + 1)); done
    value=$((value / size * size))
    printf '%s.%s.%s.%s/%s\n' $((value / 16777216)) $((value / 65536 % 256)) $((value / 256 % 256)) $((value % 256)) "$length"
  done
}

interface_names() {
  list=$(split "$1" ERR_INTERCEPTION_INTERFACE "$2") || exit $?
  for item in $list; do
    case ${item%+} in
      '' | [!A-Za-z0-9_]* | *[!A-Za-z0-9_.@:-]*) item=0123456789abcdef ;;
    esac
    [ ${#item} -le 15 ] || fail ERR_INTERCEPTION_INTERFACE "$1 has what is no interface name: $2" 'write names like eth0 with commas between' 2
    printf '%s\n' "$item"
  done
}

# ids OPTION LIST FILE: numbers, or names looked up in passwd(5) or group(5).
ids() {
  list=$(split "$1" ERR_INTERCEPTION_OWNER "$2") || exit $?
  for item in $list; do
    case $item in
      *[!0-9]*) id=$(id_of "$item" "$3") ;;
      *) id=$(printf '%s' "$item" | sed 's/^0*\(.\)/\1/') ;;
    esac
    [ -n "$id" ] && [ ${#id} -le 10 ] && [ "$id" -lt 4294967295 ] || fail ERR_INTERCEPTION_OWNER \
      "$1 has what is no known id or name: $2" 'give numbers, or names this machine knows' 2
    printf '%s\n' "$id"
  done
}

id_of() {
  case $1 in [!A-Za-z_]* | *[!A-Za-z0-9_.-]*) return 0 ;; esac
  [ ! -r "$2" ] || awk -F: -v name="$1" '$1 == name && $3 ~ /^[0-9]+$/ { print $3; exit }' "$2"
}

[ "$mode" = REDIRECT ] || fail ERR_INTERCEPTION_UNSUPPORTED "interception mode $mode is not available" 'use REDIRECT' 2
for name in ISTIO_META_DNS_CAPTURE INVALID_DROP ISTIO_DUAL_STACK; do
  eval "value=\${$name:-}"
  case $value in
    '' | 0 | [Ff][Aa][Ll][Ss][Ee]) ;;
    *) fail ERR_INTERCEPTION_UNSUPPORTED "$name asks for what is not available" "unset $name" 2 ;;
  esac
done

# Each in an assignment of its own: only then does a refusal within `$( )` end the script.
port=$(one_port -p "$port")
inbound=$(one_port -z "$inbound")
tunnel=$(one_port -e "$tunnel")
[ "$in_ports" = '*' ] || in_ports=$(ports -b "$in_ports")
in_exclude=$(ports -d "$in_exclude")
captures_loopback=
if [ "$nets" != '*' ]; then
  case ",$nets," in *,::1,* | *,::1/128,*) captures_loopback=1 ;; esac
  nets=$(networks -i "$nets")
  for net in $nets; do case $net in 127.*) captures_loopback=1 ;; esac; done
fi
nets_exclude=$(networks -x "$nets_exclude")
out_ports=$(ports -q "$out_ports")
out_exclude=$(ports -o "$out_exclude")
interfaces=$(interface_names -c "$interfaces")
virtual=$(interface_names -k "$virtual")
[ -n "$users" ] || users=$(id_of istio-proxy /etc/passwd)
users=$(ids -u "${users:-$PROXY_ID}" /etc/passwd)
groups=$(ids -g "$groups" /etc/group)
groups=${groups:-$users}
owners_exclude=$(ids ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE "$owners_exclude" /etc/group)
if [ "$owners" != '*' ]; then
  owners=$(ids ISTIO_OUTBOUND_OWNER_GROUPS "$owners" /etc/group)
  [ -z "$owners_exclude" ] || fail ERR_INTERCEPTION_OWNER 'owner groups are both included and excluded' \
    'set only one of ISTIO_OUTBOUND_OWNER_GROUPS and ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE' 2
  [ "$(printf '%s\n' "$owners" | wc -l)" -le 64 ] || fail ERR_INTERCEPTION_OWNER 'ISTIO_OUTBOUND_OWNER_GROUPS is too long' 'list 64 at most' 2
fi
case $loopback in *:*) no_network ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR "$loopback" ;; esac
loopback=$(networks ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR "$loopback")
case $loopback in
  127.*/[0-7] | *'
'*) no_network ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR "$loopback" ;;
  127.*) ;;
  *) no_network ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR "$loopback" ;;
esac

# owner_rules KIND ID
owner_rules() {
  echo "-A ISTIO_OUTPUT -o lo ! -d $loopback -p tcp ! --dport $tunnel -m owner --$1-owner $2 -j ISTIO_IN_REDIRECT"
  [ -n "$captures_loopback" ] || echo "-A ISTIO_OUTPUT -o lo -m owner ! --$1-owner $2 -j RETURN"
  echo "-A ISTIO_OUTPUT -m owner --$1-owner $2 -j RETURN"
}

# The order gives the rules their meaning.
rules() {
  echo '*nat'
  for chain in ISTIO_INBOUND ISTIO_REDIRECT ISTIO_IN_REDIRECT ISTIO_OUTPUT; do echo "-N $chain"; done
  for name in $interfaces; do
    echo "-A PREROUTING -i $name -j RETURN"
    echo "-A OUTPUT -o $name -j RETURN"
  done
  for name in $virtual; do echo "-I PREROUTING 1 -i $name -j RETURN"; done
  echo "-A ISTIO_INBOUND -p tcp --dport $tunnel -j RETURN"
  echo "-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports $port"
  echo "-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports $inbound"
  if [ -n "$in_ports" ]; then echo '-A PREROUTING -p tcp -j ISTIO_INBOUND'; fi
  if [ "$in_ports" = '*' ]; then
    for item in $in_exclude; do echo "-A ISTIO_INBOUND -p tcp --dport $item -j RETURN"; done
    echo '-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT'
  else
    for item in $in_ports; do echo "-A ISTIO_INBOUND -p tcp --dport $item -j ISTIO_IN_REDIRECT"; done
  fi
  echo '-A OUTPUT -j ISTIO_OUTPUT'
  for item in $out_exclude; do
    echo "-A ISTIO_OUTPUT -p tcp --dport $item -j RETURN"
    echo "-A ISTIO_OUTPUT -p udp --dport $item -j RETURN"
  done
  echo "-A ISTIO_OUTPUT -o lo -s $INBOUND_SOURCE/32 -j RETURN"
  for id in $users; do owner_rules uid "$id"; done
  for id in $groups; do owner_rules gid "$id"; done
  if [ "$owners" = '*' ]; then
    for id in $owners_exclude; do echo "-A ISTIO_OUTPUT -m owner --gid-owner $id -j RETURN"; done
  else
    none=
    for id in $owners; do none="$none -m owner ! --gid-owner $id"; done
    echo "-A ISTIO_OUTPUT$none -j RETURN"
  fi
  echo "-A ISTIO_OUTPUT -d $loopback -j RETURN"
  for net in $nets_exclude; do echo "-A ISTIO_OUTPUT -d $net -j RETURN"; done
  for item in $out_ports; do echo "-A ISTIO_OUTPUT -p tcp --dport $item -j ISTIO_REDIRECT"; done
  if [ "$nets" = '*' ]; then
    echo '-A ISTIO_OUTPUT -j ISTIO_REDIRECT'
    for name in $virtual; do echo "-I PREROUTING 1 -i $name -j ISTIO_REDIRECT"; done
  else
    for net in $nets; do
      for name in $virtual; do echo "-I PREROUTING 1 -i $name -d $net -j ISTIO_REDIRECT"; done
      echo "-A ISTIO_OUTPUT -d $net -j ISTIO_REDIRECT"
    done
  fi
  echo COMMIT
}

if [ -n "$dry" ]; then
  rules
  exit 0
fi
need_root
found=$(iptables_found "$force")
set -- $found
[ $# -gt 0 ] || fail ERR_INTERCEPTION_NO_BINARY 'no iptables-save can be run' 'install the iptables package'
if "$1-save" | grep -qE '^:ISTIO_(INBOUND|REDIRECT|IN_REDIRECT|OUTPUT) '; then
  fail ERR_INTERCEPTION_RESIDUE "$1 already holds ISTIO_ chains" 'run undo.sh first'
fi
# shellcheck disable=SC2046
rules | "$1-restore" --noflush $(wait_option "$1") || fail ERR_INTERCEPTION_COMMAND "$1-restore refused the rules" 'nothing was changed; see its message above'
echo "applied redirection ($1)"
