package closed

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/limpet-monitoring/limpet/core/check"
	"github.com/limpet-monitoring/limpet/core/internal/builtin/servers"
)

func TestClosed(t *testing.T) {
	open, shut := servers.TCP(t, func(net.Conn) {}), servers.Closed(t)
	low, lowText := check.OK, "none of 200 ports" // unless this machine serves something there
	for port := 1; port <= 200; port++ {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			low, lowText = check.Critical, fmt.Sprintf("open on 127.0.0.1: %d", port)
			break
		}
	}
	for _, c := range []struct {
		args  string
		state check.State
		text  string
	}{
		{fmt.Sprintf("-p %d", shut), check.OK, "none of 1 ports of 127.0.0.1 is open"},
		{fmt.Sprintf("-p %d,%d", shut, open), check.Critical, fmt.Sprintf("open on 127.0.0.1: %d", open)},
		{fmt.Sprintf("-p %d -W", open), check.Warning, fmt.Sprintf("open on 127.0.0.1: %d", open)},
		{fmt.Sprintf("-p %d-%d", open, open), check.Critical, "open"},
		{"-p 1-200", low, lowText},
		{"-H nohost.invalid -p 1", check.Unknown, "nohost.invalid: "},
	} {
		if got := Run(t.Context(), strings.Fields(c.args)); got.State != c.state || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %+v", c.args, got)
		}
	}
}
