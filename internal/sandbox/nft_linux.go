package sandbox

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Ports of the box's own listeners on its loopback addresses. Nothing else
// listens at 1, and 53 is where names are asked for.
const (
	transparentPort = 1
	dnsPort         = 53
)

// A ruleset sends a network's traffic to the box's listeners. In the
// language of nft, for one family:
//
//	table ip coo {
//		chain out {
//			type nat hook output priority -100
//			udp dport 53 redirect to :53
//			tcp dport 53 redirect to :53
//			ip daddr 127.0.0.1/8 tcp dport { the allowed } redirect to :1
//			ip daddr 127.0.0.0/8 return
//			ip daddr 198.18.0.1 return            # and the machine's other own addresses
//			meta l4proto tcp redirect to :1
//		}
//		chain in {
//			type filter hook input priority 0
//			ct state established,related accept
//			ip daddr 127.0.0.0/8 accept
//			ip daddr 198.18.0.1 accept
//			meta l4proto != tcp reject with icmp port-unreachable
//		}
//	}
type ruleset struct {
	family  byte // unix.NFPROTO_IPV4 or _IPV6
	own     []netip.Addr
	allowed []allowedPort
}

// An allowedPort is a port of this machine that is reached outside: of all
// loopback addresses, or of one own address.
type allowedPort struct {
	addr netip.Addr // zero: loopback
	port uint16
}

func (s *ruleset) requests() []request {
	batch := func(typ uint16) request {
		return request{typ: typ, body: []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}}
	}
	rs := []request{
		batch(unix.NFNL_MSG_BATCH_BEGIN),
		s.message(unix.NFT_MSG_NEWTABLE, attrString(nil, unix.NFTA_TABLE_NAME, tableName)),
		s.chain("out", "nat", unix.NF_INET_LOCAL_OUT, -100),
		s.chain("in", "filter", unix.NF_INET_LOCAL_IN, 0),
	}
	out := func(exprs ...[]byte) { rs = append(rs, s.rule("out", exprs...)) }
	out(s.protocol(unix.IPPROTO_UDP, unix.NFT_CMP_EQ), s.port(dnsPort), s.redirect(dnsPort))
	out(s.protocol(unix.IPPROTO_TCP, unix.NFT_CMP_EQ), s.port(dnsPort), s.redirect(dnsPort))
	for _, a := range s.allowed {
		dst := s.toLoopback()
		if a.addr.IsValid() {
			dst = s.to(a.addr)
		}
		out(dst, s.protocol(unix.IPPROTO_TCP, unix.NFT_CMP_EQ), s.port(a.port), s.redirect(transparentPort))
	}
	out(s.toLoopback(), verdict(unix.NFT_RETURN))
	for _, a := range s.own {
		out(s.to(a), verdict(unix.NFT_RETURN))
	}
	out(s.protocol(unix.IPPROTO_TCP, unix.NFT_CMP_EQ), s.redirect(transparentPort))

	in := func(exprs ...[]byte) { rs = append(rs, s.rule("in", exprs...)) }
	in(established(), verdict(nfAccept))
	in(s.toLoopback(), verdict(nfAccept))
	for _, a := range s.own {
		in(s.to(a), verdict(nfAccept))
	}
	in(s.protocol(unix.IPPROTO_TCP, unix.NFT_CMP_NEQ), s.reject())
	return append(rs, batch(unix.NFNL_MSG_BATCH_END))
}

const (
	tableName = "coo"
	nfAccept  = 1
)

// message is a request about the table, of the family, with attributes.
func (s *ruleset) message(typ uint16, attrs []byte) request {
	return request{
		typ: unix.NFNL_SUBSYS_NFTABLES<<8 | typ, flags: unix.NLM_F_CREATE | unix.NLM_F_ACK,
		body: append([]byte{s.family, unix.NFNETLINK_V0, 0, 0}, attrs...),
	}
}

func (s *ruleset) chain(name, kind string, hook uint32, priority int32) request {
	h := attrBE(nil, unix.NFTA_HOOK_HOOKNUM, hook)
	h = attrBE(h, unix.NFTA_HOOK_PRIORITY, uint32(priority))
	b := attrString(nil, unix.NFTA_CHAIN_TABLE, tableName)
	b = attrString(b, unix.NFTA_CHAIN_NAME, name)
	b = nested(b, unix.NFTA_CHAIN_HOOK, h)
	b = attrString(b, unix.NFTA_CHAIN_TYPE, kind)
	return s.message(unix.NFT_MSG_NEWCHAIN, b)
}

func (s *ruleset) rule(chain string, exprs ...[]byte) request {
	var list []byte
	for _, e := range exprs {
		list = append(list, e...)
	}
	b := attrString(nil, unix.NFTA_RULE_TABLE, tableName)
	b = attrString(b, unix.NFTA_RULE_CHAIN, chain)
	b = nested(b, unix.NFTA_RULE_EXPRESSIONS, list)
	r := s.message(unix.NFT_MSG_NEWRULE, b)
	r.flags |= unix.NLM_F_APPEND
	return r
}

// expr is one expression of a rule, as an element of the list of them.
func expr(name string, attrs []byte) []byte {
	b := attrString(nil, unix.NFTA_EXPR_NAME, name)
	return nested(nil, unix.NFTA_LIST_ELEM, nested(b, unix.NFTA_EXPR_DATA, attrs))
}

func compare(op uint32, value []byte) []byte {
	b := attrBE(nil, unix.NFTA_CMP_SREG, unix.NFT_REG_1)
	b = attrBE(b, unix.NFTA_CMP_OP, op)
	return expr("cmp", nested(b, unix.NFTA_CMP_DATA, attr(nil, unix.NFTA_DATA_VALUE, value)))
}

func load(base, offset, size uint32) []byte {
	b := attrBE(nil, unix.NFTA_PAYLOAD_DREG, unix.NFT_REG_1)
	b = attrBE(b, unix.NFTA_PAYLOAD_BASE, base)
	b = attrBE(b, unix.NFTA_PAYLOAD_OFFSET, offset)
	return expr("payload", attrBE(b, unix.NFTA_PAYLOAD_LEN, size))
}

func (s *ruleset) protocol(p byte, op uint32) []byte {
	b := attrBE(nil, unix.NFTA_META_DREG, unix.NFT_REG_1)
	b = attrBE(b, unix.NFTA_META_KEY, unix.NFT_META_L4PROTO)
	return append(expr("meta", b), compare(op, []byte{p})...)
}

// port matches the destination port of TCP and UDP.
func (s *ruleset) port(p uint16) []byte {
	return append(load(unix.NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2), compare(unix.NFT_CMP_EQ, binary.BigEndian.AppendUint16(nil, p))...)
}

// toLoopback matches what is sent to 127.0.0.0/8 or ::1.
func (s *ruleset) toLoopback() []byte {
	if s.family == unix.NFPROTO_IPV6 {
		return s.to(netip.IPv6Loopback())
	}
	return append(load(unix.NFT_PAYLOAD_NETWORK_HEADER, 16, 1), compare(unix.NFT_CMP_EQ, []byte{127})...)
}

// to matches the destination address, which stands at 16 in IPv4's header
// and at 24 in IPv6's.
func (s *ruleset) to(a netip.Addr) []byte {
	offset := uint32(16)
	if s.family == unix.NFPROTO_IPV6 {
		offset = 24
	}
	v := a.AsSlice()
	return append(load(unix.NFT_PAYLOAD_NETWORK_HEADER, offset, uint32(len(v))), compare(unix.NFT_CMP_EQ, v)...)
}

func established() []byte {
	b := attrBE(nil, unix.NFTA_CT_DREG, unix.NFT_REG_1)
	e := expr("ct", attrBE(b, unix.NFTA_CT_KEY, unix.NFT_CT_STATE))
	const establishedOrRelated = 1<<1 | 1<<2
	mask := binary.NativeEndian.AppendUint32(nil, establishedOrRelated)
	b = attrBE(nil, unix.NFTA_BITWISE_SREG, unix.NFT_REG_1)
	b = attrBE(b, unix.NFTA_BITWISE_DREG, unix.NFT_REG_1)
	b = attrBE(b, unix.NFTA_BITWISE_LEN, 4)
	b = nested(b, unix.NFTA_BITWISE_MASK, attr(nil, unix.NFTA_DATA_VALUE, mask))
	b = nested(b, unix.NFTA_BITWISE_XOR, attr(nil, unix.NFTA_DATA_VALUE, make([]byte, 4)))
	e = append(e, expr("bitwise", b)...)
	return append(e, compare(unix.NFT_CMP_NEQ, make([]byte, 4))...)
}

func immediate(register uint32, data []byte) []byte {
	b := attrBE(nil, unix.NFTA_IMMEDIATE_DREG, register)
	return expr("immediate", nested(b, unix.NFTA_IMMEDIATE_DATA, data))
}

func verdict(code int32) []byte {
	v := attrBE(nil, unix.NFTA_VERDICT_CODE, uint32(code))
	return immediate(unix.NFT_REG_VERDICT, nested(nil, unix.NFTA_DATA_VERDICT, v))
}

func (s *ruleset) redirect(port uint16) []byte {
	e := immediate(unix.NFT_REG_1, attr(nil, unix.NFTA_DATA_VALUE, binary.BigEndian.AppendUint16(nil, port)))
	return append(e, expr("redir", attrBE(nil, unix.NFTA_REDIR_REG_PROTO_MIN, unix.NFT_REG_1))...)
}

// reject says "port unreachable" to the sender.
func (s *ruleset) reject() []byte {
	code := byte(3) // ICMP
	if s.family == unix.NFPROTO_IPV6 {
		code = 4 // ICMPv6
	}
	b := attrBE(nil, unix.NFTA_REJECT_TYPE, unix.NFT_REJECT_ICMP_UNREACH)
	return expr("reject", attr(b, unix.NFTA_REJECT_ICMP_CODE, []byte{code}))
}
