//go:build !linux

package proxy

import (
	"errors"
	"net"
)

func peerUser(net.Conn) (int, error) { return 0, errors.ErrUnsupported }
