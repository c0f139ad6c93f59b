package sandbox

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// proxyVariables are the environment variables by which programs are told of
// a proxy, or to use none. All are removed where they would be in the way.
var proxyVariables = []string{
	"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy",
	"FTP_PROXY", "ftp_proxy", "WS_PROXY", "ws_proxy", "WSS_PROXY", "wss_proxy", "GRPC_PROXY", "grpc_proxy", "no_grpc_proxy", "GLOBAL_AGENT_HTTP_PROXY",
	"npm_config_proxy", "npm_config_https_proxy", "npm_config_noproxy", "NPM_CONFIG_PROXY", "NPM_CONFIG_HTTPS_PROXY", "NPM_CONFIG_NOPROXY",
	"PIP_PROXY", "CARGO_HTTP_PROXY", "NODE_USE_ENV_PROXY",
}

// askedVariables are those of them that are set at level proxied. Node looks
// at them only when NODE_USE_ENV_PROXY is set; gRPC at the lower-case ones.
var askedVariables = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "grpc_proxy"}

// startProxied starts a program that is asked, by variables, to use a proxy.
func (p *Process) startProxied(c Command) error {
	if c.Over != "" || len(c.Given) > 0 {
		return fmt.Errorf("isolation proxied: nothing else can be shown at %q", c.workspace())
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	p.proxy = l
	p.undo = append(p.undo, func() { l.Close() })
	c.Env = removeVariables(c.Env, proxyVariables...)
	url := "http://coo:" + c.ProxyToken + "@" + l.Addr().String()
	for _, name := range askedVariables {
		c.Env = setVariable(c.Env, name, url)
	}
	c.Env = setVariable(c.Env, "NODE_USE_ENV_PROXY", "1")
	if len(c.CA) > 0 {
		dir, err := p.writeTrust(&c)
		if err != nil {
			return err
		}
		c.Env = trustVariables(c.Env, dir)
	}
	p.box, err = startPlain(c)
	return err
}

// privateDir makes a directory for files of this run, outside of the
// workspace: what is in there belongs to the program.
func privateDir(workspace string) (string, error) {
	candidates := []string{os.TempDir()}
	if runtime.GOOS != "windows" {
		candidates = append(candidates, "/dev/shm", "/tmp", "/var/tmp")
	}
	if home, err := os.UserCacheDir(); err == nil {
		candidates = append(candidates, home)
	}
	var last error
	for _, dir := range candidates {
		if !filepath.IsAbs(dir) || below(workspace, dir) {
			continue
		}
		made, err := os.MkdirTemp(dir, "coo-")
		if err == nil {
			return made, nil
		}
		last = err
	}
	return "", fmt.Errorf("files of the run: no directory for them outside of the workspace; set TMPDIR: %w", last)
}

// below reports whether a directory is below another that is not the root.
func below(top, dir string) bool {
	rel, err := filepath.Rel(top, dir)
	return err == nil && filepath.Dir(top) != top && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

func copyStdin(w *os.File, r io.Reader) {
	io.Copy(w, r) //nolint:errcheck // the program may read less than there is
	w.Close()
}
