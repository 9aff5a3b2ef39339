// Code generated from core/wire/wire.proto by `make proto`. DO NOT EDIT.

package wire

import (
	strconv "strconv"
)

type State int32

const (
	State_STATE_OK       State = 0
	State_STATE_WARNING  State = 1
	State_STATE_CRITICAL State = 2
	State_STATE_UNKNOWN  State = 3
)

func (v State) String() string {
	switch v {
	case State_STATE_OK:
		return "STATE_OK"
	case State_STATE_WARNING:
		return "STATE_WARNING"
	case State_STATE_CRITICAL:
		return "STATE_CRITICAL"
	case State_STATE_UNKNOWN:
		return "STATE_UNKNOWN"
	}
	return strconv.Itoa(int(v))
}

type Trigger int32

const (
	Trigger_TRIGGER_SCHEDULED Trigger = 0
	Trigger_TRIGGER_MANUAL    Trigger = 1
)

func (v Trigger) String() string {
	switch v {
	case Trigger_TRIGGER_SCHEDULED:
		return "TRIGGER_SCHEDULED"
	case Trigger_TRIGGER_MANUAL:
		return "TRIGGER_MANUAL"
	}
	return strconv.Itoa(int(v))
}

// Importance of a check. What an agent does not know counts as normal.
type Importance int32

const (
	Importance_IMPORTANCE_NORMAL Importance = 0
	Importance_IMPORTANCE_LOW    Importance = 1
	Importance_IMPORTANCE_HIGH   Importance = 2
)

func (v Importance) String() string {
	switch v {
	case Importance_IMPORTANCE_NORMAL:
		return "IMPORTANCE_NORMAL"
	case Importance_IMPORTANCE_LOW:
		return "IMPORTANCE_LOW"
	case Importance_IMPORTANCE_HIGH:
		return "IMPORTANCE_HIGH"
	}
	return strconv.Itoa(int(v))
}

// Frame is one binary websocket message.
type Frame struct {
	Body    isFrame_Body // one of those that begin with Frame_
	unknown []byte       // fields of a newer version, as they came
}

type isFrame_Body interface{ isFrame_Body() }

type Frame_Hello struct{ Hello *Hello } // agent

func (*Frame_Hello) isFrame_Body() {}

type Frame_Challenge struct{ Challenge *Challenge } // hub

func (*Frame_Challenge) isFrame_Body() {}

type Frame_Proof struct{ Proof *Proof } // agent

func (*Frame_Proof) isFrame_Body() {}

type Frame_Welcome struct{ Welcome *Welcome } // hub

func (*Frame_Welcome) isFrame_Body() {}

type Frame_Refuse struct{ Refuse *Refuse } // hub, instead of any answer; the line closes after it

func (*Frame_Refuse) isFrame_Body() {}

type Frame_Batch struct{ Batch *Batch }

func (*Frame_Batch) isFrame_Body() {}

type Frame_RunOutput struct{ RunOutput *RunOutput }

func (*Frame_RunOutput) isFrame_Body() {}

type Frame_RunEnd struct{ RunEnd *RunEnd }

func (*Frame_RunEnd) isFrame_Body() {}

type Frame_RevisionReport struct{ RevisionReport *RevisionReport }

func (*Frame_RevisionReport) isFrame_Body() {}

type Frame_Generations struct{ Generations *Generations }

func (*Frame_Generations) isFrame_Body() {}

type Frame_Facts struct{ Facts *Facts }

func (*Frame_Facts) isFrame_Body() {}

type Frame_Successor struct{ Successor *Successor }

func (*Frame_Successor) isFrame_Body() {}

type Frame_Active struct{ Active *Active }

func (*Frame_Active) isFrame_Body() {}

type Frame_SiteGet struct{ SiteGet *SiteGet }

func (*Frame_SiteGet) isFrame_Body() {}

type Frame_Pong struct{ Pong *Pong }

func (*Frame_Pong) isFrame_Body() {}

type Frame_Ack struct{ Ack *Ack }

func (*Frame_Ack) isFrame_Body() {}

type Frame_Reject struct{ Reject *Reject }

func (*Frame_Reject) isFrame_Body() {}

type Frame_Desired struct{ Desired *Desired }

func (*Frame_Desired) isFrame_Body() {}

type Frame_RunNow struct{ RunNow *RunNow }

func (*Frame_RunNow) isFrame_Body() {}

type Frame_CancelRun struct{ CancelRun *CancelRun }

func (*Frame_CancelRun) isFrame_Body() {}

type Frame_Look struct{ Look *Look }

func (*Frame_Look) isFrame_Body() {}

type Frame_Watermarks struct{ Watermarks *Watermarks }

func (*Frame_Watermarks) isFrame_Body() {}

type Frame_Follow struct{ Follow *Follow }

func (*Frame_Follow) isFrame_Body() {}

type Frame_Hold struct{ Hold *Hold }

func (*Frame_Hold) isFrame_Body() {}

type Frame_Resume struct{ Resume *Resume }

func (*Frame_Resume) isFrame_Body() {}

type Frame_SitePiece struct{ SitePiece *SitePiece }

func (*Frame_SitePiece) isFrame_Body() {}

type Frame_Ping struct{ Ping *Ping }

func (*Frame_Ping) isFrame_Body() {}

type Frame_Heartbeat struct{ Heartbeat *Heartbeat }

func (*Frame_Heartbeat) isFrame_Body() {}

type Frame_Bye struct{ Bye *Bye }

func (*Frame_Bye) isFrame_Body() {}

func (m *Frame) GetBody() isFrame_Body {
	if m == nil {
		return nil
	}
	return m.Body
}

func (m *Frame) GetHello() *Hello {
	if b, ok := m.GetBody().(*Frame_Hello); ok {
		return b.Hello
	}
	return nil
}

func (m *Frame) GetChallenge() *Challenge {
	if b, ok := m.GetBody().(*Frame_Challenge); ok {
		return b.Challenge
	}
	return nil
}

func (m *Frame) GetProof() *Proof {
	if b, ok := m.GetBody().(*Frame_Proof); ok {
		return b.Proof
	}
	return nil
}

func (m *Frame) GetWelcome() *Welcome {
	if b, ok := m.GetBody().(*Frame_Welcome); ok {
		return b.Welcome
	}
	return nil
}

func (m *Frame) GetRefuse() *Refuse {
	if b, ok := m.GetBody().(*Frame_Refuse); ok {
		return b.Refuse
	}
	return nil
}

func (m *Frame) GetBatch() *Batch {
	if b, ok := m.GetBody().(*Frame_Batch); ok {
		return b.Batch
	}
	return nil
}

func (m *Frame) GetRunOutput() *RunOutput {
	if b, ok := m.GetBody().(*Frame_RunOutput); ok {
		return b.RunOutput
	}
	return nil
}

func (m *Frame) GetRunEnd() *RunEnd {
	if b, ok := m.GetBody().(*Frame_RunEnd); ok {
		return b.RunEnd
	}
	return nil
}

func (m *Frame) GetRevisionReport() *RevisionReport {
	if b, ok := m.GetBody().(*Frame_RevisionReport); ok {
		return b.RevisionReport
	}
	return nil
}

func (m *Frame) GetGenerations() *Generations {
	if b, ok := m.GetBody().(*Frame_Generations); ok {
		return b.Generations
	}
	return nil
}

func (m *Frame) GetFacts() *Facts {
	if b, ok := m.GetBody().(*Frame_Facts); ok {
		return b.Facts
	}
	return nil
}

func (m *Frame) GetSuccessor() *Successor {
	if b, ok := m.GetBody().(*Frame_Successor); ok {
		return b.Successor
	}
	return nil
}

func (m *Frame) GetActive() *Active {
	if b, ok := m.GetBody().(*Frame_Active); ok {
		return b.Active
	}
	return nil
}

func (m *Frame) GetSiteGet() *SiteGet {
	if b, ok := m.GetBody().(*Frame_SiteGet); ok {
		return b.SiteGet
	}
	return nil
}

func (m *Frame) GetPong() *Pong {
	if b, ok := m.GetBody().(*Frame_Pong); ok {
		return b.Pong
	}
	return nil
}

func (m *Frame) GetAck() *Ack {
	if b, ok := m.GetBody().(*Frame_Ack); ok {
		return b.Ack
	}
	return nil
}

func (m *Frame) GetReject() *Reject {
	if b, ok := m.GetBody().(*Frame_Reject); ok {
		return b.Reject
	}
	return nil
}

func (m *Frame) GetDesired() *Desired {
	if b, ok := m.GetBody().(*Frame_Desired); ok {
		return b.Desired
	}
	return nil
}

func (m *Frame) GetRunNow() *RunNow {
	if b, ok := m.GetBody().(*Frame_RunNow); ok {
		return b.RunNow
	}
	return nil
}

func (m *Frame) GetCancelRun() *CancelRun {
	if b, ok := m.GetBody().(*Frame_CancelRun); ok {
		return b.CancelRun
	}
	return nil
}

func (m *Frame) GetLook() *Look {
	if b, ok := m.GetBody().(*Frame_Look); ok {
		return b.Look
	}
	return nil
}

func (m *Frame) GetWatermarks() *Watermarks {
	if b, ok := m.GetBody().(*Frame_Watermarks); ok {
		return b.Watermarks
	}
	return nil
}

func (m *Frame) GetFollow() *Follow {
	if b, ok := m.GetBody().(*Frame_Follow); ok {
		return b.Follow
	}
	return nil
}

func (m *Frame) GetHold() *Hold {
	if b, ok := m.GetBody().(*Frame_Hold); ok {
		return b.Hold
	}
	return nil
}

func (m *Frame) GetResume() *Resume {
	if b, ok := m.GetBody().(*Frame_Resume); ok {
		return b.Resume
	}
	return nil
}

func (m *Frame) GetSitePiece() *SitePiece {
	if b, ok := m.GetBody().(*Frame_SitePiece); ok {
		return b.SitePiece
	}
	return nil
}

func (m *Frame) GetPing() *Ping {
	if b, ok := m.GetBody().(*Frame_Ping); ok {
		return b.Ping
	}
	return nil
}

func (m *Frame) GetHeartbeat() *Heartbeat {
	if b, ok := m.GetBody().(*Frame_Heartbeat); ok {
		return b.Heartbeat
	}
	return nil
}

func (m *Frame) GetBye() *Bye {
	if b, ok := m.GetBody().(*Frame_Bye); ok {
		return b.Bye
	}
	return nil
}

func (m *Frame) reset() { *m = Frame{} }

func (m *Frame) code(c *coder) {
	if !c.reading {
		switch b := m.Body.(type) {
		case *Frame_Hello:
			put(c, 1, b.Hello)
		case *Frame_Challenge:
			put(c, 2, b.Challenge)
		case *Frame_Proof:
			put(c, 3, b.Proof)
		case *Frame_Welcome:
			put(c, 4, b.Welcome)
		case *Frame_Refuse:
			put(c, 5, b.Refuse)
		case *Frame_Batch:
			put(c, 10, b.Batch)
		case *Frame_RunOutput:
			put(c, 11, b.RunOutput)
		case *Frame_RunEnd:
			put(c, 12, b.RunEnd)
		case *Frame_RevisionReport:
			put(c, 13, b.RevisionReport)
		case *Frame_Generations:
			put(c, 14, b.Generations)
		case *Frame_Facts:
			put(c, 15, b.Facts)
		case *Frame_Successor:
			put(c, 16, b.Successor)
		case *Frame_Active:
			put(c, 17, b.Active)
		case *Frame_SiteGet:
			put(c, 20, b.SiteGet)
		case *Frame_Pong:
			put(c, 21, b.Pong)
		case *Frame_Ack:
			put(c, 30, b.Ack)
		case *Frame_Reject:
			put(c, 31, b.Reject)
		case *Frame_Desired:
			put(c, 32, b.Desired)
		case *Frame_RunNow:
			put(c, 33, b.RunNow)
		case *Frame_CancelRun:
			put(c, 34, b.CancelRun)
		case *Frame_Look:
			put(c, 35, b.Look)
		case *Frame_Watermarks:
			put(c, 36, b.Watermarks)
		case *Frame_Follow:
			put(c, 37, b.Follow)
		case *Frame_Hold:
			put(c, 38, b.Hold)
		case *Frame_Resume:
			put(c, 39, b.Resume)
		case *Frame_SitePiece:
			put(c, 44, b.SitePiece)
		case *Frame_Ping:
			put(c, 45, b.Ping)
		case *Frame_Heartbeat:
			put(c, 50, b.Heartbeat)
		case *Frame_Bye:
			put(c, 51, b.Bye)
		}
	}
	switch c.member() {
	case 1:
		b, ok := m.Body.(*Frame_Hello)
		if !ok {
			b = &Frame_Hello{new(Hello)}
			m.Body = b
		}
		c.inside(b.Hello)
	case 2:
		b, ok := m.Body.(*Frame_Challenge)
		if !ok {
			b = &Frame_Challenge{new(Challenge)}
			m.Body = b
		}
		c.inside(b.Challenge)
	case 3:
		b, ok := m.Body.(*Frame_Proof)
		if !ok {
			b = &Frame_Proof{new(Proof)}
			m.Body = b
		}
		c.inside(b.Proof)
	case 4:
		b, ok := m.Body.(*Frame_Welcome)
		if !ok {
			b = &Frame_Welcome{new(Welcome)}
			m.Body = b
		}
		c.inside(b.Welcome)
	case 5:
		b, ok := m.Body.(*Frame_Refuse)
		if !ok {
			b = &Frame_Refuse{new(Refuse)}
			m.Body = b
		}
		c.inside(b.Refuse)
	case 10:
		b, ok := m.Body.(*Frame_Batch)
		if !ok {
			b = &Frame_Batch{new(Batch)}
			m.Body = b
		}
		c.inside(b.Batch)
	case 11:
		b, ok := m.Body.(*Frame_RunOutput)
		if !ok {
			b = &Frame_RunOutput{new(RunOutput)}
			m.Body = b
		}
		c.inside(b.RunOutput)
	case 12:
		b, ok := m.Body.(*Frame_RunEnd)
		if !ok {
			b = &Frame_RunEnd{new(RunEnd)}
			m.Body = b
		}
		c.inside(b.RunEnd)
	case 13:
		b, ok := m.Body.(*Frame_RevisionReport)
		if !ok {
			b = &Frame_RevisionReport{new(RevisionReport)}
			m.Body = b
		}
		c.inside(b.RevisionReport)
	case 14:
		b, ok := m.Body.(*Frame_Generations)
		if !ok {
			b = &Frame_Generations{new(Generations)}
			m.Body = b
		}
		c.inside(b.Generations)
	case 15:
		b, ok := m.Body.(*Frame_Facts)
		if !ok {
			b = &Frame_Facts{new(Facts)}
			m.Body = b
		}
		c.inside(b.Facts)
	case 16:
		b, ok := m.Body.(*Frame_Successor)
		if !ok {
			b = &Frame_Successor{new(Successor)}
			m.Body = b
		}
		c.inside(b.Successor)
	case 17:
		b, ok := m.Body.(*Frame_Active)
		if !ok {
			b = &Frame_Active{new(Active)}
			m.Body = b
		}
		c.inside(b.Active)
	case 20:
		b, ok := m.Body.(*Frame_SiteGet)
		if !ok {
			b = &Frame_SiteGet{new(SiteGet)}
			m.Body = b
		}
		c.inside(b.SiteGet)
	case 21:
		b, ok := m.Body.(*Frame_Pong)
		if !ok {
			b = &Frame_Pong{new(Pong)}
			m.Body = b
		}
		c.inside(b.Pong)
	case 30:
		b, ok := m.Body.(*Frame_Ack)
		if !ok {
			b = &Frame_Ack{new(Ack)}
			m.Body = b
		}
		c.inside(b.Ack)
	case 31:
		b, ok := m.Body.(*Frame_Reject)
		if !ok {
			b = &Frame_Reject{new(Reject)}
			m.Body = b
		}
		c.inside(b.Reject)
	case 32:
		b, ok := m.Body.(*Frame_Desired)
		if !ok {
			b = &Frame_Desired{new(Desired)}
			m.Body = b
		}
		c.inside(b.Desired)
	case 33:
		b, ok := m.Body.(*Frame_RunNow)
		if !ok {
			b = &Frame_RunNow{new(RunNow)}
			m.Body = b
		}
		c.inside(b.RunNow)
	case 34:
		b, ok := m.Body.(*Frame_CancelRun)
		if !ok {
			b = &Frame_CancelRun{new(CancelRun)}
			m.Body = b
		}
		c.inside(b.CancelRun)
	case 35:
		b, ok := m.Body.(*Frame_Look)
		if !ok {
			b = &Frame_Look{new(Look)}
			m.Body = b
		}
		c.inside(b.Look)
	case 36:
		b, ok := m.Body.(*Frame_Watermarks)
		if !ok {
			b = &Frame_Watermarks{new(Watermarks)}
			m.Body = b
		}
		c.inside(b.Watermarks)
	case 37:
		b, ok := m.Body.(*Frame_Follow)
		if !ok {
			b = &Frame_Follow{new(Follow)}
			m.Body = b
		}
		c.inside(b.Follow)
	case 38:
		b, ok := m.Body.(*Frame_Hold)
		if !ok {
			b = &Frame_Hold{new(Hold)}
			m.Body = b
		}
		c.inside(b.Hold)
	case 39:
		b, ok := m.Body.(*Frame_Resume)
		if !ok {
			b = &Frame_Resume{new(Resume)}
			m.Body = b
		}
		c.inside(b.Resume)
	case 44:
		b, ok := m.Body.(*Frame_SitePiece)
		if !ok {
			b = &Frame_SitePiece{new(SitePiece)}
			m.Body = b
		}
		c.inside(b.SitePiece)
	case 45:
		b, ok := m.Body.(*Frame_Ping)
		if !ok {
			b = &Frame_Ping{new(Ping)}
			m.Body = b
		}
		c.inside(b.Ping)
	case 50:
		b, ok := m.Body.(*Frame_Heartbeat)
		if !ok {
			b = &Frame_Heartbeat{new(Heartbeat)}
			m.Body = b
		}
		c.inside(b.Heartbeat)
	case 51:
		b, ok := m.Body.(*Frame_Bye)
		if !ok {
			b = &Frame_Bye{new(Bye)}
			m.Body = b
		}
		c.inside(b.Bye)
	}
	c.rest(&m.unknown)
}

type Hello struct {
	ProtocolMin uint32
	ProtocolMax uint32
	Nonce       []byte // 32 bytes
	PublicKey   []byte // the agent's Ed25519 key
	unknown     []byte // fields of a newer version, as they came
}

func (m *Hello) GetProtocolMin() (v uint32) {
	if m != nil {
		v = m.ProtocolMin
	}
	return v
}

func (m *Hello) GetProtocolMax() (v uint32) {
	if m != nil {
		v = m.ProtocolMax
	}
	return v
}

func (m *Hello) GetNonce() (v []byte) {
	if m != nil {
		v = m.Nonce
	}
	return v
}

func (m *Hello) GetPublicKey() (v []byte) {
	if m != nil {
		v = m.PublicKey
	}
	return v
}

func (m *Hello) reset() { *m = Hello{} }

func (m *Hello) code(c *coder) {
	varint(c, 1, &m.ProtocolMin)
	varint(c, 2, &m.ProtocolMax)
	octets(c, 3, &m.Nonce)
	octets(c, 4, &m.PublicKey)
	c.rest(&m.unknown)
}

type Challenge struct {
	Protocol   uint32
	Nonce      []byte // 32 bytes
	HubKey     []byte // Ed25519
	Signature  []byte // by hub_key, see docs/wire.md
	TlsBound   bool   // the hub ends the TLS session itself, and the signature covers its exporter
	HubTimeNs  int64
	Succession []*Succession
	unknown    []byte // fields of a newer version, as they came
}

func (m *Challenge) GetProtocol() (v uint32) {
	if m != nil {
		v = m.Protocol
	}
	return v
}

func (m *Challenge) GetNonce() (v []byte) {
	if m != nil {
		v = m.Nonce
	}
	return v
}

func (m *Challenge) GetHubKey() (v []byte) {
	if m != nil {
		v = m.HubKey
	}
	return v
}

func (m *Challenge) GetSignature() (v []byte) {
	if m != nil {
		v = m.Signature
	}
	return v
}

func (m *Challenge) GetTlsBound() (v bool) {
	if m != nil {
		v = m.TlsBound
	}
	return v
}

func (m *Challenge) GetHubTimeNs() (v int64) {
	if m != nil {
		v = m.HubTimeNs
	}
	return v
}

func (m *Challenge) GetSuccession() (v []*Succession) {
	if m != nil {
		v = m.Succession
	}
	return v
}

func (m *Challenge) reset() { *m = Challenge{} }

func (m *Challenge) code(c *coder) {
	varint(c, 1, &m.Protocol)
	octets(c, 2, &m.Nonce)
	octets(c, 3, &m.HubKey)
	octets(c, 4, &m.Signature)
	truth(c, 5, &m.TlsBound)
	varint(c, 6, &m.HubTimeNs)
	many(c, 7, &m.Succession)
	c.rest(&m.unknown)
}

// Succession: an older hub key vouches for a newer one.
type Succession struct {
	OldKey    []byte
	NewKey    []byte
	Signature []byte
	unknown   []byte // fields of a newer version, as they came
}

func (m *Succession) GetOldKey() (v []byte) {
	if m != nil {
		v = m.OldKey
	}
	return v
}

func (m *Succession) GetNewKey() (v []byte) {
	if m != nil {
		v = m.NewKey
	}
	return v
}

func (m *Succession) GetSignature() (v []byte) {
	if m != nil {
		v = m.Signature
	}
	return v
}

func (m *Succession) reset() { *m = Succession{} }

func (m *Succession) code(c *coder) {
	octets(c, 1, &m.OldKey)
	octets(c, 2, &m.NewKey)
	octets(c, 3, &m.Signature)
	c.rest(&m.unknown)
}

type Proof struct {
	Signature    []byte // by the agent's key
	Enrol        *Enrol // first session only
	Facts        *Facts
	Generations  []*Generation
	SessionCount uint64 // rises with every session of this identity, durable before the dial
	StandbyNonce string // of an announced successor, see Successor
	Revision     uint64 // the revision it runs, 0 = defaults
	unknown      []byte // fields of a newer version, as they came
}

func (m *Proof) GetSignature() (v []byte) {
	if m != nil {
		v = m.Signature
	}
	return v
}

func (m *Proof) GetEnrol() (v *Enrol) {
	if m != nil {
		v = m.Enrol
	}
	return v
}

func (m *Proof) GetFacts() (v *Facts) {
	if m != nil {
		v = m.Facts
	}
	return v
}

func (m *Proof) GetGenerations() (v []*Generation) {
	if m != nil {
		v = m.Generations
	}
	return v
}

func (m *Proof) GetSessionCount() (v uint64) {
	if m != nil {
		v = m.SessionCount
	}
	return v
}

func (m *Proof) GetStandbyNonce() (v string) {
	if m != nil {
		v = m.StandbyNonce
	}
	return v
}

func (m *Proof) GetRevision() (v uint64) {
	if m != nil {
		v = m.Revision
	}
	return v
}

func (m *Proof) reset() { *m = Proof{} }

func (m *Proof) code(c *coder) {
	octets(c, 1, &m.Signature)
	one(c, 2, &m.Enrol)
	one(c, 3, &m.Facts)
	many(c, 4, &m.Generations)
	varint(c, 5, &m.SessionCount)
	text(c, 6, &m.StandbyNonce)
	varint(c, 7, &m.Revision)
	c.rest(&m.unknown)
}

type Enrol struct {
	TokenId     []byte
	TokenSecret []byte
	unknown     []byte // fields of a newer version, as they came
}

func (m *Enrol) GetTokenId() (v []byte) {
	if m != nil {
		v = m.TokenId
	}
	return v
}

func (m *Enrol) GetTokenSecret() (v []byte) {
	if m != nil {
		v = m.TokenSecret
	}
	return v
}

func (m *Enrol) reset() { *m = Enrol{} }

func (m *Enrol) code(c *coder) {
	octets(c, 1, &m.TokenId)
	octets(c, 2, &m.TokenSecret)
	c.rest(&m.unknown)
}

type Facts struct {
	Hostname      string
	Addresses     []string
	Os            string // GOOS
	Arch          string // GOARCH
	Platform      string // "debian 12.7"
	Kernel        string
	BootId        string
	MachineIdHash string // SHA-256 of what identifies the machine, hex; tells clones apart
	MemoryBytes   uint64
	Cpus          uint32
	CoreVersion   string
	CoreHash      string // SHA-256 of the running core, hex
	StubVersion   string
	Tags          []string
	More          map[string]string
	Plugins       []string          // file names found in the plugin directories, sorted
	Trust         string            // "hub" or "signed"
	Development   bool              // the core's root is a development root
	Checks        []string          // names of all checks that run, sorted: what is not among them is gone
	Place         string            // SHA-256 of where the agent's files lie, hex: the same for two cores of one agent, another one for a copy's
	Collectors    []*CollectorState // by name
	unknown       []byte            // fields of a newer version, as they came
}

func (m *Facts) GetHostname() (v string) {
	if m != nil {
		v = m.Hostname
	}
	return v
}

func (m *Facts) GetAddresses() (v []string) {
	if m != nil {
		v = m.Addresses
	}
	return v
}

func (m *Facts) GetOs() (v string) {
	if m != nil {
		v = m.Os
	}
	return v
}

func (m *Facts) GetArch() (v string) {
	if m != nil {
		v = m.Arch
	}
	return v
}

func (m *Facts) GetPlatform() (v string) {
	if m != nil {
		v = m.Platform
	}
	return v
}

func (m *Facts) GetKernel() (v string) {
	if m != nil {
		v = m.Kernel
	}
	return v
}

func (m *Facts) GetBootId() (v string) {
	if m != nil {
		v = m.BootId
	}
	return v
}

func (m *Facts) GetMachineIdHash() (v string) {
	if m != nil {
		v = m.MachineIdHash
	}
	return v
}

func (m *Facts) GetMemoryBytes() (v uint64) {
	if m != nil {
		v = m.MemoryBytes
	}
	return v
}

func (m *Facts) GetCpus() (v uint32) {
	if m != nil {
		v = m.Cpus
	}
	return v
}

func (m *Facts) GetCoreVersion() (v string) {
	if m != nil {
		v = m.CoreVersion
	}
	return v
}

func (m *Facts) GetCoreHash() (v string) {
	if m != nil {
		v = m.CoreHash
	}
	return v
}

func (m *Facts) GetStubVersion() (v string) {
	if m != nil {
		v = m.StubVersion
	}
	return v
}

func (m *Facts) GetTags() (v []string) {
	if m != nil {
		v = m.Tags
	}
	return v
}

func (m *Facts) GetMore() (v map[string]string) {
	if m != nil {
		v = m.More
	}
	return v
}

func (m *Facts) GetPlugins() (v []string) {
	if m != nil {
		v = m.Plugins
	}
	return v
}

func (m *Facts) GetTrust() (v string) {
	if m != nil {
		v = m.Trust
	}
	return v
}

func (m *Facts) GetDevelopment() (v bool) {
	if m != nil {
		v = m.Development
	}
	return v
}

func (m *Facts) GetChecks() (v []string) {
	if m != nil {
		v = m.Checks
	}
	return v
}

func (m *Facts) GetPlace() (v string) {
	if m != nil {
		v = m.Place
	}
	return v
}

func (m *Facts) GetCollectors() (v []*CollectorState) {
	if m != nil {
		v = m.Collectors
	}
	return v
}

func (m *Facts) reset() { *m = Facts{} }

func (m *Facts) code(c *coder) {
	text(c, 1, &m.Hostname)
	texts(c, 2, &m.Addresses)
	text(c, 3, &m.Os)
	text(c, 4, &m.Arch)
	text(c, 5, &m.Platform)
	text(c, 6, &m.Kernel)
	text(c, 7, &m.BootId)
	text(c, 8, &m.MachineIdHash)
	varint(c, 9, &m.MemoryBytes)
	varint(c, 10, &m.Cpus)
	text(c, 11, &m.CoreVersion)
	text(c, 12, &m.CoreHash)
	text(c, 13, &m.StubVersion)
	texts(c, 14, &m.Tags)
	table(c, 15, &m.More)
	texts(c, 16, &m.Plugins)
	text(c, 17, &m.Trust)
	truth(c, 18, &m.Development)
	texts(c, 19, &m.Checks)
	text(c, 20, &m.Place)
	many(c, 30, &m.Collectors)
	c.rest(&m.unknown)
}

// CollectorState is how one collector is. docs/collectors.md says what the words mean.
type CollectorState struct {
	Name     string
	Kind     string
	State    string // "running", "starting", "waiting", "failed", "checking"
	Text     string // why, one line; "" when all is well
	SinceNs  int64  // wall time: in this state
	Pid      uint32 // 0 = it does not run
	Restarts uint32 // since its configuration was taken
	Refused  string // why a newer configuration is not used, "" when the newest is
	Local    bool   // named in the box file
	unknown  []byte // fields of a newer version, as they came
}

func (m *CollectorState) GetName() (v string) {
	if m != nil {
		v = m.Name
	}
	return v
}

func (m *CollectorState) GetKind() (v string) {
	if m != nil {
		v = m.Kind
	}
	return v
}

func (m *CollectorState) GetState() (v string) {
	if m != nil {
		v = m.State
	}
	return v
}

func (m *CollectorState) GetText() (v string) {
	if m != nil {
		v = m.Text
	}
	return v
}

func (m *CollectorState) GetSinceNs() (v int64) {
	if m != nil {
		v = m.SinceNs
	}
	return v
}

func (m *CollectorState) GetPid() (v uint32) {
	if m != nil {
		v = m.Pid
	}
	return v
}

func (m *CollectorState) GetRestarts() (v uint32) {
	if m != nil {
		v = m.Restarts
	}
	return v
}

func (m *CollectorState) GetRefused() (v string) {
	if m != nil {
		v = m.Refused
	}
	return v
}

func (m *CollectorState) GetLocal() (v bool) {
	if m != nil {
		v = m.Local
	}
	return v
}

func (m *CollectorState) reset() { *m = CollectorState{} }

func (m *CollectorState) code(c *coder) {
	text(c, 1, &m.Name)
	text(c, 2, &m.Kind)
	text(c, 3, &m.State)
	text(c, 4, &m.Text)
	varint(c, 5, &m.SinceNs)
	varint(c, 6, &m.Pid)
	varint(c, 7, &m.Restarts)
	text(c, 8, &m.Refused)
	truth(c, 9, &m.Local)
	c.rest(&m.unknown)
}

// Generation is a part of the agent's buffer with one writer.
type Generation struct {
	Epoch    uint64
	Written  uint64 // last seq written, 0 = none
	Acked    uint64 // the cursor: everything up to it is on the bus
	AckedCrc uint32 // CRC-32C of the record at `acked`
	Closed   bool   // nothing will be written to it again
	unknown  []byte // fields of a newer version, as they came
}

func (m *Generation) GetEpoch() (v uint64) {
	if m != nil {
		v = m.Epoch
	}
	return v
}

func (m *Generation) GetWritten() (v uint64) {
	if m != nil {
		v = m.Written
	}
	return v
}

func (m *Generation) GetAcked() (v uint64) {
	if m != nil {
		v = m.Acked
	}
	return v
}

func (m *Generation) GetAckedCrc() (v uint32) {
	if m != nil {
		v = m.AckedCrc
	}
	return v
}

func (m *Generation) GetClosed() (v bool) {
	if m != nil {
		v = m.Closed
	}
	return v
}

func (m *Generation) reset() { *m = Generation{} }

func (m *Generation) code(c *coder) {
	varint(c, 1, &m.Epoch)
	varint(c, 2, &m.Written)
	varint(c, 3, &m.Acked)
	fixed32(c, 4, &m.AckedCrc)
	truth(c, 5, &m.Closed)
	c.rest(&m.unknown)
}

type Generations struct {
	Generations []*Generation
	unknown     []byte // fields of a newer version, as they came
}

func (m *Generations) GetGenerations() (v []*Generation) {
	if m != nil {
		v = m.Generations
	}
	return v
}

func (m *Generations) reset() { *m = Generations{} }

func (m *Generations) code(c *coder) {
	many(c, 1, &m.Generations)
	c.rest(&m.unknown)
}

// Watermark is what the bus holds of one generation.
type Watermark struct {
	Epoch   uint64
	Seq     uint64 // last seq on the bus, 0 = none
	Crc     uint32 // checksum of that record as its batch said
	unknown []byte // fields of a newer version, as they came
}

func (m *Watermark) GetEpoch() (v uint64) {
	if m != nil {
		v = m.Epoch
	}
	return v
}

func (m *Watermark) GetSeq() (v uint64) {
	if m != nil {
		v = m.Seq
	}
	return v
}

func (m *Watermark) GetCrc() (v uint32) {
	if m != nil {
		v = m.Crc
	}
	return v
}

func (m *Watermark) reset() { *m = Watermark{} }

func (m *Watermark) code(c *coder) {
	varint(c, 1, &m.Epoch)
	varint(c, 2, &m.Seq)
	fixed32(c, 3, &m.Crc)
	c.rest(&m.unknown)
}

type Watermarks struct {
	Watermarks []*Watermark
	unknown    []byte // fields of a newer version, as they came
}

func (m *Watermarks) GetWatermarks() (v []*Watermark) {
	if m != nil {
		v = m.Watermarks
	}
	return v
}

func (m *Watermarks) reset() { *m = Watermarks{} }

func (m *Watermarks) code(c *coder) {
	many(c, 1, &m.Watermarks)
	c.rest(&m.unknown)
}

type Welcome struct {
	SessionId    string
	Name         string       // how the hub shows this agent
	HeartbeatMs  uint32       // both ways
	Watermarks   []*Watermark // one for each generation of the proof
	HubAddresses []string     // "ip:port", for the DNS ladder
	Revision     uint64       // the newest meant for this agent
	EnrolledNow  bool
	ConsoleUrl   string
	Bases        uint32 // bytes of records that the hub keeps for others to be told by difference to them; 0 = none
	Ephemeral    bool   // enrolled to come and go: where its host goes down for good, it says Bye{deregister}
	unknown      []byte // fields of a newer version, as they came
}

func (m *Welcome) GetSessionId() (v string) {
	if m != nil {
		v = m.SessionId
	}
	return v
}

func (m *Welcome) GetName() (v string) {
	if m != nil {
		v = m.Name
	}
	return v
}

func (m *Welcome) GetHeartbeatMs() (v uint32) {
	if m != nil {
		v = m.HeartbeatMs
	}
	return v
}

func (m *Welcome) GetWatermarks() (v []*Watermark) {
	if m != nil {
		v = m.Watermarks
	}
	return v
}

func (m *Welcome) GetHubAddresses() (v []string) {
	if m != nil {
		v = m.HubAddresses
	}
	return v
}

func (m *Welcome) GetRevision() (v uint64) {
	if m != nil {
		v = m.Revision
	}
	return v
}

func (m *Welcome) GetEnrolledNow() (v bool) {
	if m != nil {
		v = m.EnrolledNow
	}
	return v
}

func (m *Welcome) GetConsoleUrl() (v string) {
	if m != nil {
		v = m.ConsoleUrl
	}
	return v
}

func (m *Welcome) GetBases() (v uint32) {
	if m != nil {
		v = m.Bases
	}
	return v
}

func (m *Welcome) GetEphemeral() (v bool) {
	if m != nil {
		v = m.Ephemeral
	}
	return v
}

func (m *Welcome) reset() { *m = Welcome{} }

func (m *Welcome) code(c *coder) {
	text(c, 1, &m.SessionId)
	text(c, 2, &m.Name)
	varint(c, 3, &m.HeartbeatMs)
	many(c, 4, &m.Watermarks)
	texts(c, 5, &m.HubAddresses)
	varint(c, 6, &m.Revision)
	truth(c, 7, &m.EnrolledNow)
	text(c, 8, &m.ConsoleUrl)
	varint(c, 9, &m.Bases)
	truth(c, 10, &m.Ephemeral)
	c.rest(&m.unknown)
}

// Refuse ends the handshake. code is for programs, message and hint for people.
type Refuse struct {
	Code         string // see docs/wire.md
	Message      string
	Hint         string
	RetryAfterMs uint32 // 0 = the agent's own backoff
	// With code `clone` alone: this box is a copy of the agent whose key it shows. It makes a key of its own, and is taken in with this.
	Own        *Enrol
	Watermarks []*Watermark // with own: what the bus holds of the generations it listed
	unknown    []byte       // fields of a newer version, as they came
}

func (m *Refuse) GetCode() (v string) {
	if m != nil {
		v = m.Code
	}
	return v
}

func (m *Refuse) GetMessage() (v string) {
	if m != nil {
		v = m.Message
	}
	return v
}

func (m *Refuse) GetHint() (v string) {
	if m != nil {
		v = m.Hint
	}
	return v
}

func (m *Refuse) GetRetryAfterMs() (v uint32) {
	if m != nil {
		v = m.RetryAfterMs
	}
	return v
}

func (m *Refuse) GetOwn() (v *Enrol) {
	if m != nil {
		v = m.Own
	}
	return v
}

func (m *Refuse) GetWatermarks() (v []*Watermark) {
	if m != nil {
		v = m.Watermarks
	}
	return v
}

func (m *Refuse) reset() { *m = Refuse{} }

func (m *Refuse) code(c *coder) {
	text(c, 1, &m.Code)
	text(c, 2, &m.Message)
	text(c, 3, &m.Hint)
	varint(c, 4, &m.RetryAfterMs)
	one(c, 5, &m.Own)
	many(c, 6, &m.Watermarks)
	c.rest(&m.unknown)
}

type Perfdata struct {
	Label   string
	Value   float64 // NaN = could not be measured
	Unit    string
	Warn    string
	Crit    string
	Min     *float64
	Max     *float64
	unknown []byte // fields of a newer version, as they came
}

func (m *Perfdata) GetLabel() (v string) {
	if m != nil {
		v = m.Label
	}
	return v
}

func (m *Perfdata) GetValue() (v float64) {
	if m != nil {
		v = m.Value
	}
	return v
}

func (m *Perfdata) GetUnit() (v string) {
	if m != nil {
		v = m.Unit
	}
	return v
}

func (m *Perfdata) GetWarn() (v string) {
	if m != nil {
		v = m.Warn
	}
	return v
}

func (m *Perfdata) GetCrit() (v string) {
	if m != nil {
		v = m.Crit
	}
	return v
}

func (m *Perfdata) GetMin() (v float64) {
	if m != nil && m.Min != nil {
		v = *m.Min
	}
	return v
}

func (m *Perfdata) GetMax() (v float64) {
	if m != nil && m.Max != nil {
		v = *m.Max
	}
	return v
}

func (m *Perfdata) reset() { *m = Perfdata{} }

func (m *Perfdata) code(c *coder) {
	text(c, 1, &m.Label)
	double(c, 2, &m.Value)
	text(c, 3, &m.Unit)
	text(c, 4, &m.Warn)
	text(c, 5, &m.Crit)
	maybe(c, 6, &m.Min)
	maybe(c, 7, &m.Max)
	c.rest(&m.unknown)
}

type Result struct {
	Check      string
	State      State
	Text       string
	Long       string
	Perfdata   []*Perfdata
	DueNs      int64 // wall time, in whole milliseconds; 0 for a manual run
	StartNs    int64 // wall time
	DurationNs int64
	Exit       int32
	Signal     string
	TimedOut   bool
	Truncated  bool
	Trigger    Trigger
	Problems   []string
	MonoNs     int64     // since boot, at start
	Plugin     string    // what ran: "builtin:disk", "check_http"
	Revision   uint64    // of desired state, 0 = defaults
	EveryMs    uint32    // the interval, so that a hub knows when it is stale; 0 = cron or manual
	Standing   *Standing // absent from an agent that does not keep count
	unknown    []byte    // fields of a newer version, as they came
}

func (m *Result) GetCheck() (v string) {
	if m != nil {
		v = m.Check
	}
	return v
}

func (m *Result) GetState() (v State) {
	if m != nil {
		v = m.State
	}
	return v
}

func (m *Result) GetText() (v string) {
	if m != nil {
		v = m.Text
	}
	return v
}

func (m *Result) GetLong() (v string) {
	if m != nil {
		v = m.Long
	}
	return v
}

func (m *Result) GetPerfdata() (v []*Perfdata) {
	if m != nil {
		v = m.Perfdata
	}
	return v
}

func (m *Result) GetDueNs() (v int64) {
	if m != nil {
		v = m.DueNs
	}
	return v
}

func (m *Result) GetStartNs() (v int64) {
	if m != nil {
		v = m.StartNs
	}
	return v
}

func (m *Result) GetDurationNs() (v int64) {
	if m != nil {
		v = m.DurationNs
	}
	return v
}

func (m *Result) GetExit() (v int32) {
	if m != nil {
		v = m.Exit
	}
	return v
}

func (m *Result) GetSignal() (v string) {
	if m != nil {
		v = m.Signal
	}
	return v
}

func (m *Result) GetTimedOut() (v bool) {
	if m != nil {
		v = m.TimedOut
	}
	return v
}

func (m *Result) GetTruncated() (v bool) {
	if m != nil {
		v = m.Truncated
	}
	return v
}

func (m *Result) GetTrigger() (v Trigger) {
	if m != nil {
		v = m.Trigger
	}
	return v
}

func (m *Result) GetProblems() (v []string) {
	if m != nil {
		v = m.Problems
	}
	return v
}

func (m *Result) GetMonoNs() (v int64) {
	if m != nil {
		v = m.MonoNs
	}
	return v
}

func (m *Result) GetPlugin() (v string) {
	if m != nil {
		v = m.Plugin
	}
	return v
}

func (m *Result) GetRevision() (v uint64) {
	if m != nil {
		v = m.Revision
	}
	return v
}

func (m *Result) GetEveryMs() (v uint32) {
	if m != nil {
		v = m.EveryMs
	}
	return v
}

func (m *Result) GetStanding() (v *Standing) {
	if m != nil {
		v = m.Standing
	}
	return v
}

func (m *Result) reset() { *m = Result{} }

func (m *Result) code(c *coder) {
	text(c, 1, &m.Check)
	varint(c, 2, &m.State)
	text(c, 3, &m.Text)
	text(c, 4, &m.Long)
	many(c, 5, &m.Perfdata)
	varint(c, 6, &m.DueNs)
	varint(c, 7, &m.StartNs)
	varint(c, 8, &m.DurationNs)
	folded(c, 9, &m.Exit)
	text(c, 10, &m.Signal)
	truth(c, 11, &m.TimedOut)
	truth(c, 12, &m.Truncated)
	varint(c, 13, &m.Trigger)
	texts(c, 14, &m.Problems)
	varint(c, 15, &m.MonoNs)
	text(c, 16, &m.Plugin)
	varint(c, 17, &m.Revision)
	varint(c, 18, &m.EveryMs)
	one(c, 30, &m.Standing)
	c.rest(&m.unknown)
}

// Standing is where a result puts its check (docs/checks.md, "Soft, hard, flapping").
type Standing struct {
	Attempt     uint32 // of attempts; 1 for OK
	Attempts    uint32
	Hard        bool  // the state was seen often enough
	HardState   State // the last that was
	SinceNs     int64 // wall time: start of the first result in this state
	HardSinceNs int64 // the same of hard_state, 0 = none yet
	Flapping    bool
	FlapPercent float32
	RetryMs     uint32 // the interval while a problem is soft; 0 = no other
	unknown     []byte // fields of a newer version, as they came
}

func (m *Standing) GetAttempt() (v uint32) {
	if m != nil {
		v = m.Attempt
	}
	return v
}

func (m *Standing) GetAttempts() (v uint32) {
	if m != nil {
		v = m.Attempts
	}
	return v
}

func (m *Standing) GetHard() (v bool) {
	if m != nil {
		v = m.Hard
	}
	return v
}

func (m *Standing) GetHardState() (v State) {
	if m != nil {
		v = m.HardState
	}
	return v
}

func (m *Standing) GetSinceNs() (v int64) {
	if m != nil {
		v = m.SinceNs
	}
	return v
}

func (m *Standing) GetHardSinceNs() (v int64) {
	if m != nil {
		v = m.HardSinceNs
	}
	return v
}

func (m *Standing) GetFlapping() (v bool) {
	if m != nil {
		v = m.Flapping
	}
	return v
}

func (m *Standing) GetFlapPercent() (v float32) {
	if m != nil {
		v = m.FlapPercent
	}
	return v
}

func (m *Standing) GetRetryMs() (v uint32) {
	if m != nil {
		v = m.RetryMs
	}
	return v
}

func (m *Standing) reset() { *m = Standing{} }

func (m *Standing) code(c *coder) {
	varint(c, 1, &m.Attempt)
	varint(c, 2, &m.Attempts)
	truth(c, 3, &m.Hard)
	varint(c, 4, &m.HardState)
	varint(c, 5, &m.SinceNs)
	varint(c, 6, &m.HardSinceNs)
	truth(c, 7, &m.Flapping)
	float(c, 8, &m.FlapPercent)
	varint(c, 9, &m.RetryMs)
	c.rest(&m.unknown)
}

// Gap states that results are lost, and why.
type Gap struct {
	Epoch   uint64
	First   uint64 // 0 = unknown
	Last    uint64
	Cause   string // "corrupt", "cap", "rejected", "restored"
	unknown []byte // fields of a newer version, as they came
}

func (m *Gap) GetEpoch() (v uint64) {
	if m != nil {
		v = m.Epoch
	}
	return v
}

func (m *Gap) GetFirst() (v uint64) {
	if m != nil {
		v = m.First
	}
	return v
}

func (m *Gap) GetLast() (v uint64) {
	if m != nil {
		v = m.Last
	}
	return v
}

func (m *Gap) GetCause() (v string) {
	if m != nil {
		v = m.Cause
	}
	return v
}

func (m *Gap) reset() { *m = Gap{} }

func (m *Gap) code(c *coder) {
	varint(c, 1, &m.Epoch)
	varint(c, 2, &m.First)
	varint(c, 3, &m.Last)
	text(c, 4, &m.Cause)
	c.rest(&m.unknown)
}

// LostRun: a run was started and a kill cut it off.
type LostRun struct {
	Check   string
	StartNs int64
	unknown []byte // fields of a newer version, as they came
}

func (m *LostRun) GetCheck() (v string) {
	if m != nil {
		v = m.Check
	}
	return v
}

func (m *LostRun) GetStartNs() (v int64) {
	if m != nil {
		v = m.StartNs
	}
	return v
}

func (m *LostRun) reset() { *m = LostRun{} }

func (m *LostRun) code(c *coder) {
	text(c, 1, &m.Check)
	varint(c, 2, &m.StartNs)
	c.rest(&m.unknown)
}

// Event is something the agent noticed that is no result.
type Event struct {
	Kind       string // "dns-ladder", "core-start", "revision-rejected", ...
	Text       string
	AtNs       int64
	Attributes map[string]string
	unknown    []byte // fields of a newer version, as they came
}

func (m *Event) GetKind() (v string) {
	if m != nil {
		v = m.Kind
	}
	return v
}

func (m *Event) GetText() (v string) {
	if m != nil {
		v = m.Text
	}
	return v
}

func (m *Event) GetAtNs() (v int64) {
	if m != nil {
		v = m.AtNs
	}
	return v
}

func (m *Event) GetAttributes() (v map[string]string) {
	if m != nil {
		v = m.Attributes
	}
	return v
}

func (m *Event) reset() { *m = Event{} }

func (m *Event) code(c *coder) {
	text(c, 1, &m.Kind)
	text(c, 2, &m.Text)
	varint(c, 3, &m.AtNs)
	table(c, 4, &m.Attributes)
	c.rest(&m.unknown)
}

// Item is one record of the buffer.
type Item struct {
	Seq     uint64
	Kind    isItem_Kind // one of those that begin with Item_
	unknown []byte      // fields of a newer version, as they came
}

type isItem_Kind interface{ isItem_Kind() }

type Item_Result struct{ Result *Result }

func (*Item_Result) isItem_Kind() {}

type Item_Gap struct{ Gap *Gap }

func (*Item_Gap) isItem_Kind() {}

type Item_LostRun struct{ LostRun *LostRun }

func (*Item_LostRun) isItem_Kind() {}

type Item_Event struct{ Event *Event }

func (*Item_Event) isItem_Kind() {}

type Item_Samples struct{ Samples *Samples }

func (*Item_Samples) isItem_Kind() {}

func (m *Item) GetKind() isItem_Kind {
	if m == nil {
		return nil
	}
	return m.Kind
}

func (m *Item) GetSeq() (v uint64) {
	if m != nil {
		v = m.Seq
	}
	return v
}

func (m *Item) GetResult() *Result {
	if b, ok := m.GetKind().(*Item_Result); ok {
		return b.Result
	}
	return nil
}

func (m *Item) GetGap() *Gap {
	if b, ok := m.GetKind().(*Item_Gap); ok {
		return b.Gap
	}
	return nil
}

func (m *Item) GetLostRun() *LostRun {
	if b, ok := m.GetKind().(*Item_LostRun); ok {
		return b.LostRun
	}
	return nil
}

func (m *Item) GetEvent() *Event {
	if b, ok := m.GetKind().(*Item_Event); ok {
		return b.Event
	}
	return nil
}

func (m *Item) GetSamples() *Samples {
	if b, ok := m.GetKind().(*Item_Samples); ok {
		return b.Samples
	}
	return nil
}

func (m *Item) reset() { *m = Item{} }

func (m *Item) code(c *coder) {
	varint(c, 1, &m.Seq)
	if !c.reading {
		switch b := m.Kind.(type) {
		case *Item_Result:
			put(c, 2, b.Result)
		case *Item_Gap:
			put(c, 3, b.Gap)
		case *Item_LostRun:
			put(c, 4, b.LostRun)
		case *Item_Event:
			put(c, 5, b.Event)
		case *Item_Samples:
			put(c, 20, b.Samples)
		}
	}
	switch c.member() {
	case 2:
		b, ok := m.Kind.(*Item_Result)
		if !ok {
			b = &Item_Result{new(Result)}
			m.Kind = b
		}
		c.inside(b.Result)
	case 3:
		b, ok := m.Kind.(*Item_Gap)
		if !ok {
			b = &Item_Gap{new(Gap)}
			m.Kind = b
		}
		c.inside(b.Gap)
	case 4:
		b, ok := m.Kind.(*Item_LostRun)
		if !ok {
			b = &Item_LostRun{new(LostRun)}
			m.Kind = b
		}
		c.inside(b.LostRun)
	case 5:
		b, ok := m.Kind.(*Item_Event)
		if !ok {
			b = &Item_Event{new(Event)}
			m.Kind = b
		}
		c.inside(b.Event)
	case 20:
		b, ok := m.Kind.(*Item_Samples)
		if !ok {
			b = &Item_Samples{new(Samples)}
			m.Kind = b
		}
		c.inside(b.Samples)
	}
	c.rest(&m.unknown)
}

// Samples are metrics that a program on the box gave to one of the agent's inputs (docs/inputs.md), in the order in which they came.
type Samples struct {
	Input   string // "graphite", "statsd"
	Samples []*Sample
	Dropped uint64 // before these, since the last record of this input: the disk did not take them
	unknown []byte // fields of a newer version, as they came
}

func (m *Samples) GetInput() (v string) {
	if m != nil {
		v = m.Input
	}
	return v
}

func (m *Samples) GetSamples() (v []*Sample) {
	if m != nil {
		v = m.Samples
	}
	return v
}

func (m *Samples) GetDropped() (v uint64) {
	if m != nil {
		v = m.Dropped
	}
	return v
}

func (m *Samples) reset() { *m = Samples{} }

func (m *Samples) code(c *coder) {
	text(c, 1, &m.Input)
	many(c, 2, &m.Samples)
	varint(c, 3, &m.Dropped)
	c.rest(&m.unknown)
}

type Sample struct {
	Name    string // tags behind it as Graphite writes them: name;tag=value
	Value   float64
	AtNs    int64  // wall time
	Kind    string // "gauge", "counter" (what an interval came to), "timer", "set"
	unknown []byte // fields of a newer version, as they came
}

func (m *Sample) GetName() (v string) {
	if m != nil {
		v = m.Name
	}
	return v
}

func (m *Sample) GetValue() (v float64) {
	if m != nil {
		v = m.Value
	}
	return v
}

func (m *Sample) GetAtNs() (v int64) {
	if m != nil {
		v = m.AtNs
	}
	return v
}

func (m *Sample) GetKind() (v string) {
	if m != nil {
		v = m.Kind
	}
	return v
}

func (m *Sample) reset() { *m = Sample{} }

func (m *Sample) code(c *coder) {
	text(c, 1, &m.Name)
	double(c, 2, &m.Value)
	varint(c, 3, &m.AtNs)
	text(c, 4, &m.Kind)
	c.rest(&m.unknown)
}

type Items struct {
	Items   []*Item
	unknown []byte // fields of a newer version, as they came
}

func (m *Items) GetItems() (v []*Item) {
	if m != nil {
		v = m.Items
	}
	return v
}

func (m *Items) reset() { *m = Items{} }

func (m *Items) code(c *coder) {
	many(c, 1, &m.Items)
	c.rest(&m.unknown)
}

// Batch is a run of records of one generation, in order, without holes.
type Batch struct {
	Epoch    uint64
	First    uint64
	Last     uint64
	Crc      uint32 // CRC-32C of the last record
	Unpacked uint32 // length of items before compression, at most 512 KiB unless it is one record
	Zstd     bool   // items is compressed
	Items    []byte // an Items message
	BootId   string
	Alike    []byte // instead of items, in a session whose hub keeps bases (docs/wire.md): then fields may be left out
	unknown  []byte // fields of a newer version, as they came
}

func (m *Batch) GetEpoch() (v uint64) {
	if m != nil {
		v = m.Epoch
	}
	return v
}

func (m *Batch) GetFirst() (v uint64) {
	if m != nil {
		v = m.First
	}
	return v
}

func (m *Batch) GetLast() (v uint64) {
	if m != nil {
		v = m.Last
	}
	return v
}

func (m *Batch) GetCrc() (v uint32) {
	if m != nil {
		v = m.Crc
	}
	return v
}

func (m *Batch) GetUnpacked() (v uint32) {
	if m != nil {
		v = m.Unpacked
	}
	return v
}

func (m *Batch) GetZstd() (v bool) {
	if m != nil {
		v = m.Zstd
	}
	return v
}

func (m *Batch) GetItems() (v []byte) {
	if m != nil {
		v = m.Items
	}
	return v
}

func (m *Batch) GetBootId() (v string) {
	if m != nil {
		v = m.BootId
	}
	return v
}

func (m *Batch) GetAlike() (v []byte) {
	if m != nil {
		v = m.Alike
	}
	return v
}

func (m *Batch) reset() { *m = Batch{} }

func (m *Batch) code(c *coder) {
	varint(c, 1, &m.Epoch)
	varint(c, 2, &m.First)
	varint(c, 3, &m.Last)
	fixed32(c, 4, &m.Crc)
	varint(c, 5, &m.Unpacked)
	truth(c, 6, &m.Zstd)
	octets(c, 7, &m.Items)
	text(c, 8, &m.BootId)
	octets(c, 9, &m.Alike)
	c.rest(&m.unknown)
}

type Ack struct {
	Epoch   uint64
	Seq     uint64
	unknown []byte // fields of a newer version, as they came
}

func (m *Ack) GetEpoch() (v uint64) {
	if m != nil {
		v = m.Epoch
	}
	return v
}

func (m *Ack) GetSeq() (v uint64) {
	if m != nil {
		v = m.Seq
	}
	return v
}

func (m *Ack) reset() { *m = Ack{} }

func (m *Ack) code(c *coder) {
	varint(c, 1, &m.Epoch)
	varint(c, 2, &m.Seq)
	c.rest(&m.unknown)
}

type Reject struct {
	Epoch   uint64
	Seq     uint64
	Why     string
	unknown []byte // fields of a newer version, as they came
}

func (m *Reject) GetEpoch() (v uint64) {
	if m != nil {
		v = m.Epoch
	}
	return v
}

func (m *Reject) GetSeq() (v uint64) {
	if m != nil {
		v = m.Seq
	}
	return v
}

func (m *Reject) GetWhy() (v string) {
	if m != nil {
		v = m.Why
	}
	return v
}

func (m *Reject) reset() { *m = Reject{} }

func (m *Reject) code(c *coder) {
	varint(c, 1, &m.Epoch)
	varint(c, 2, &m.Seq)
	text(c, 3, &m.Why)
	c.rest(&m.unknown)
}

type Check struct {
	Name         string
	Builtin      string
	Plugin       string
	Args         []string
	EveryMs      uint32
	Cron         string
	TimeoutMs    uint32
	PluginHash   []byte            // SHA-256 of a plugin of the catalog; empty = a plugin of the box's own
	User         string            // whom a plugin runs as; "" = as the box has it
	Dir          string            // its working directory
	Macros       map[string]string // for its arguments and environment
	Attempts     uint32            // results in a row that make a problem hard; 0 = 1
	AtStart      bool
	TimeoutState State      // of a run that the deadline ended; OK = UNKNOWN
	NoFlap       bool       // flapping is not looked for
	FlapLow      float32    // percent; 0 = 5
	FlapHigh     float32    // percent; 0 = 20
	RetryMs      uint32     // interval while a problem is soft; 0 = no other
	Importance   Importance // which goes last when the agent's processor time is spent
	unknown      []byte     // fields of a newer version, as they came
}

func (m *Check) GetName() (v string) {
	if m != nil {
		v = m.Name
	}
	return v
}

func (m *Check) GetBuiltin() (v string) {
	if m != nil {
		v = m.Builtin
	}
	return v
}

func (m *Check) GetPlugin() (v string) {
	if m != nil {
		v = m.Plugin
	}
	return v
}

func (m *Check) GetArgs() (v []string) {
	if m != nil {
		v = m.Args
	}
	return v
}

func (m *Check) GetEveryMs() (v uint32) {
	if m != nil {
		v = m.EveryMs
	}
	return v
}

func (m *Check) GetCron() (v string) {
	if m != nil {
		v = m.Cron
	}
	return v
}

func (m *Check) GetTimeoutMs() (v uint32) {
	if m != nil {
		v = m.TimeoutMs
	}
	return v
}

func (m *Check) GetPluginHash() (v []byte) {
	if m != nil {
		v = m.PluginHash
	}
	return v
}

func (m *Check) GetUser() (v string) {
	if m != nil {
		v = m.User
	}
	return v
}

func (m *Check) GetDir() (v string) {
	if m != nil {
		v = m.Dir
	}
	return v
}

func (m *Check) GetMacros() (v map[string]string) {
	if m != nil {
		v = m.Macros
	}
	return v
}

func (m *Check) GetAttempts() (v uint32) {
	if m != nil {
		v = m.Attempts
	}
	return v
}

func (m *Check) GetAtStart() (v bool) {
	if m != nil {
		v = m.AtStart
	}
	return v
}

func (m *Check) GetTimeoutState() (v State) {
	if m != nil {
		v = m.TimeoutState
	}
	return v
}

func (m *Check) GetNoFlap() (v bool) {
	if m != nil {
		v = m.NoFlap
	}
	return v
}

func (m *Check) GetFlapLow() (v float32) {
	if m != nil {
		v = m.FlapLow
	}
	return v
}

func (m *Check) GetFlapHigh() (v float32) {
	if m != nil {
		v = m.FlapHigh
	}
	return v
}

func (m *Check) GetRetryMs() (v uint32) {
	if m != nil {
		v = m.RetryMs
	}
	return v
}

func (m *Check) GetImportance() (v Importance) {
	if m != nil {
		v = m.Importance
	}
	return v
}

func (m *Check) reset() { *m = Check{} }

func (m *Check) code(c *coder) {
	text(c, 1, &m.Name)
	text(c, 2, &m.Builtin)
	text(c, 3, &m.Plugin)
	texts(c, 4, &m.Args)
	varint(c, 5, &m.EveryMs)
	text(c, 6, &m.Cron)
	varint(c, 7, &m.TimeoutMs)
	octets(c, 16, &m.PluginHash)
	text(c, 20, &m.User)
	text(c, 21, &m.Dir)
	table(c, 22, &m.Macros)
	varint(c, 23, &m.Attempts)
	truth(c, 24, &m.AtStart)
	varint(c, 25, &m.TimeoutState)
	truth(c, 26, &m.NoFlap)
	float(c, 27, &m.FlapLow)
	float(c, 28, &m.FlapHigh)
	varint(c, 29, &m.RetryMs)
	varint(c, 30, &m.Importance)
	c.rest(&m.unknown)
}

// Desired is everything the hub wants of one agent; taken whole or rejected whole.
type Desired struct {
	Revision     uint64
	Checks       []*Check
	NoDefaults   bool     // do not run the default checks
	Disable      []string // default checks not to run
	Site         uint64   // version of the site's targets to know at least, 0 = it needs nothing of the site
	Collectors   []*Collector
	GraphitePort uint32 // of the loopback inputs, 0 = off
	StatsdPort   uint32
	CpuPercent   uint32 // of one processor, for the agent with its plugins; 0 = the agent's default
	unknown      []byte // fields of a newer version, as they came
}

func (m *Desired) GetRevision() (v uint64) {
	if m != nil {
		v = m.Revision
	}
	return v
}

func (m *Desired) GetChecks() (v []*Check) {
	if m != nil {
		v = m.Checks
	}
	return v
}

func (m *Desired) GetNoDefaults() (v bool) {
	if m != nil {
		v = m.NoDefaults
	}
	return v
}

func (m *Desired) GetDisable() (v []string) {
	if m != nil {
		v = m.Disable
	}
	return v
}

func (m *Desired) GetSite() (v uint64) {
	if m != nil {
		v = m.Site
	}
	return v
}

func (m *Desired) GetCollectors() (v []*Collector) {
	if m != nil {
		v = m.Collectors
	}
	return v
}

func (m *Desired) GetGraphitePort() (v uint32) {
	if m != nil {
		v = m.GraphitePort
	}
	return v
}

func (m *Desired) GetStatsdPort() (v uint32) {
	if m != nil {
		v = m.StatsdPort
	}
	return v
}

func (m *Desired) GetCpuPercent() (v uint32) {
	if m != nil {
		v = m.CpuPercent
	}
	return v
}

func (m *Desired) reset() { *m = Desired{} }

func (m *Desired) code(c *coder) {
	varint(c, 1, &m.Revision)
	many(c, 2, &m.Checks)
	truth(c, 3, &m.NoDefaults)
	texts(c, 4, &m.Disable)
	varint(c, 16, &m.Site)
	many(c, 20, &m.Collectors)
	varint(c, 21, &m.GraphitePort)
	varint(c, 22, &m.StatsdPort)
	varint(c, 23, &m.CpuPercent)
	c.rest(&m.unknown)
}

// Collector is one long-running program that the agent configures and keeps running. Texts are templates (docs/collectors.md).
type Collector struct {
	Name          string
	Kind          string
	Program       string // "" = the kind's own
	Args          []string
	Config        string
	File          string   // name of the configuration's file, "" = the kind's own
	Test          []string // arguments, instead of the kind's own
	Health        []string // a command
	HealthEveryMs uint32
	MemoryBytes   uint64 // 0 = no limit
	unknown       []byte // fields of a newer version, as they came
}

func (m *Collector) GetName() (v string) {
	if m != nil {
		v = m.Name
	}
	return v
}

func (m *Collector) GetKind() (v string) {
	if m != nil {
		v = m.Kind
	}
	return v
}

func (m *Collector) GetProgram() (v string) {
	if m != nil {
		v = m.Program
	}
	return v
}

func (m *Collector) GetArgs() (v []string) {
	if m != nil {
		v = m.Args
	}
	return v
}

func (m *Collector) GetConfig() (v string) {
	if m != nil {
		v = m.Config
	}
	return v
}

func (m *Collector) GetFile() (v string) {
	if m != nil {
		v = m.File
	}
	return v
}

func (m *Collector) GetTest() (v []string) {
	if m != nil {
		v = m.Test
	}
	return v
}

func (m *Collector) GetHealth() (v []string) {
	if m != nil {
		v = m.Health
	}
	return v
}

func (m *Collector) GetHealthEveryMs() (v uint32) {
	if m != nil {
		v = m.HealthEveryMs
	}
	return v
}

func (m *Collector) GetMemoryBytes() (v uint64) {
	if m != nil {
		v = m.MemoryBytes
	}
	return v
}

func (m *Collector) reset() { *m = Collector{} }

func (m *Collector) code(c *coder) {
	text(c, 1, &m.Name)
	text(c, 2, &m.Kind)
	text(c, 3, &m.Program)
	texts(c, 4, &m.Args)
	text(c, 5, &m.Config)
	text(c, 6, &m.File)
	texts(c, 7, &m.Test)
	texts(c, 8, &m.Health)
	varint(c, 9, &m.HealthEveryMs)
	varint(c, 10, &m.MemoryBytes)
	c.rest(&m.unknown)
}

type RevisionReport struct {
	Revision uint64
	Accepted bool
	Problems []string // one line each: which check, what, what to do
	unknown  []byte   // fields of a newer version, as they came
}

func (m *RevisionReport) GetRevision() (v uint64) {
	if m != nil {
		v = m.Revision
	}
	return v
}

func (m *RevisionReport) GetAccepted() (v bool) {
	if m != nil {
		v = m.Accepted
	}
	return v
}

func (m *RevisionReport) GetProblems() (v []string) {
	if m != nil {
		v = m.Problems
	}
	return v
}

func (m *RevisionReport) reset() { *m = RevisionReport{} }

func (m *RevisionReport) code(c *coder) {
	varint(c, 1, &m.Revision)
	truth(c, 2, &m.Accepted)
	texts(c, 3, &m.Problems)
	c.rest(&m.unknown)
}

// RunNow names a check of the running revision, or a plugin of the catalog; never a command line.
type RunNow struct {
	Call    string
	Check   string
	unknown []byte // fields of a newer version, as they came
}

func (m *RunNow) GetCall() (v string) {
	if m != nil {
		v = m.Call
	}
	return v
}

func (m *RunNow) GetCheck() (v string) {
	if m != nil {
		v = m.Check
	}
	return v
}

func (m *RunNow) reset() { *m = RunNow{} }

func (m *RunNow) code(c *coder) {
	text(c, 1, &m.Call)
	text(c, 2, &m.Check)
	c.rest(&m.unknown)
}

type CancelRun struct {
	Call    string
	unknown []byte // fields of a newer version, as they came
}

func (m *CancelRun) GetCall() (v string) {
	if m != nil {
		v = m.Call
	}
	return v
}

func (m *CancelRun) reset() { *m = CancelRun{} }

func (m *CancelRun) code(c *coder) {
	text(c, 1, &m.Call)
	c.rest(&m.unknown)
}

type RunOutput struct {
	Call    string
	Stderr  bool
	Data    []byte // at most 32 KiB
	unknown []byte // fields of a newer version, as they came
}

func (m *RunOutput) GetCall() (v string) {
	if m != nil {
		v = m.Call
	}
	return v
}

func (m *RunOutput) GetStderr() (v bool) {
	if m != nil {
		v = m.Stderr
	}
	return v
}

func (m *RunOutput) GetData() (v []byte) {
	if m != nil {
		v = m.Data
	}
	return v
}

func (m *RunOutput) reset() { *m = RunOutput{} }

func (m *RunOutput) code(c *coder) {
	text(c, 1, &m.Call)
	truth(c, 2, &m.Stderr)
	octets(c, 3, &m.Data)
	c.rest(&m.unknown)
}

type RunEnd struct {
	Call    string
	Result  *Result // also buffered; absent when nothing ran
	Error   string  // why nothing ran
	Joined  bool    // a run in flight was joined
	unknown []byte  // fields of a newer version, as they came
}

func (m *RunEnd) GetCall() (v string) {
	if m != nil {
		v = m.Call
	}
	return v
}

func (m *RunEnd) GetResult() (v *Result) {
	if m != nil {
		v = m.Result
	}
	return v
}

func (m *RunEnd) GetError() (v string) {
	if m != nil {
		v = m.Error
	}
	return v
}

func (m *RunEnd) GetJoined() (v bool) {
	if m != nil {
		v = m.Joined
	}
	return v
}

func (m *RunEnd) reset() { *m = RunEnd{} }

func (m *RunEnd) code(c *coder) {
	text(c, 1, &m.Call)
	one(c, 2, &m.Result)
	text(c, 3, &m.Error)
	truth(c, 4, &m.Joined)
	c.rest(&m.unknown)
}

// Look: look for a newer release now.
type Look struct {
	unknown []byte // fields of a newer version, as they came
}

func (m *Look) reset() { *m = Look{} }

func (m *Look) code(c *coder) {
	c.rest(&m.unknown)
}

// Follow: take releases of this channel from now on; with a pin, run exactly that version.
type Follow struct {
	Channel string
	Pin     string // "" = none
	unknown []byte // fields of a newer version, as they came
}

func (m *Follow) GetChannel() (v string) {
	if m != nil {
		v = m.Channel
	}
	return v
}

func (m *Follow) GetPin() (v string) {
	if m != nil {
		v = m.Pin
	}
	return v
}

func (m *Follow) reset() { *m = Follow{} }

func (m *Follow) code(c *coder) {
	text(c, 1, &m.Channel)
	text(c, 2, &m.Pin)
	c.rest(&m.unknown)
}

// Hold: start no newer release until Resume.
type Hold struct {
	unknown []byte // fields of a newer version, as they came
}

func (m *Hold) reset() { *m = Hold{} }

func (m *Hold) code(c *coder) {
	c.rest(&m.unknown)
}

type Resume struct {
	unknown []byte // fields of a newer version, as they came
}

func (m *Resume) reset() { *m = Resume{} }

func (m *Resume) code(c *coder) {
	c.rest(&m.unknown)
}

// Successor announces that a newer core of this agent starts beside this one: a session whose proof carries the nonce is no clone.
type Successor struct {
	Nonce   string
	unknown []byte // fields of a newer version, as they came
}

func (m *Successor) GetNonce() (v string) {
	if m != nil {
		v = m.Nonce
	}
	return v
}

func (m *Successor) reset() { *m = Successor{} }

func (m *Successor) code(c *coder) {
	text(c, 1, &m.Nonce)
	c.rest(&m.unknown)
}

// Active: the core that came as a successor schedules from now on; its session is the agent's.
type Active struct {
	unknown []byte // fields of a newer version, as they came
}

func (m *Active) reset() { *m = Active{} }

func (m *Active) code(c *coder) {
	c.rest(&m.unknown)
}

// SiteGet asks for a part of a file of the site's repository.
type SiteGet struct {
	Call    uint64
	Name    string // below the repository: "timestamp.json", "targets/plugin/HASH.check_x"
	Offset  int64
	unknown []byte // fields of a newer version, as they came
}

func (m *SiteGet) GetCall() (v uint64) {
	if m != nil {
		v = m.Call
	}
	return v
}

func (m *SiteGet) GetName() (v string) {
	if m != nil {
		v = m.Name
	}
	return v
}

func (m *SiteGet) GetOffset() (v int64) {
	if m != nil {
		v = m.Offset
	}
	return v
}

func (m *SiteGet) reset() { *m = SiteGet{} }

func (m *SiteGet) code(c *coder) {
	varint(c, 1, &m.Call)
	text(c, 2, &m.Name)
	varint(c, 3, &m.Offset)
	c.rest(&m.unknown)
}

// SitePiece answers a SiteGet: the bytes from its offset on, at most 256 KiB of them.
type SitePiece struct {
	Call    uint64
	Size    int64  // of the whole file
	Data    []byte // empty at the file's end
	Missing bool   // there is no such file
	Error   string // why it could not be read
	unknown []byte // fields of a newer version, as they came
}

func (m *SitePiece) GetCall() (v uint64) {
	if m != nil {
		v = m.Call
	}
	return v
}

func (m *SitePiece) GetSize() (v int64) {
	if m != nil {
		v = m.Size
	}
	return v
}

func (m *SitePiece) GetData() (v []byte) {
	if m != nil {
		v = m.Data
	}
	return v
}

func (m *SitePiece) GetMissing() (v bool) {
	if m != nil {
		v = m.Missing
	}
	return v
}

func (m *SitePiece) GetError() (v string) {
	if m != nil {
		v = m.Error
	}
	return v
}

func (m *SitePiece) reset() { *m = SitePiece{} }

func (m *SitePiece) code(c *coder) {
	varint(c, 1, &m.Call)
	varint(c, 2, &m.Size)
	octets(c, 3, &m.Data)
	truth(c, 4, &m.Missing)
	text(c, 5, &m.Error)
	c.rest(&m.unknown)
}

// Ping asks a session whether its agent is there; Pong answers at once, with the same word.
type Ping struct {
	Word    string
	unknown []byte // fields of a newer version, as they came
}

func (m *Ping) GetWord() (v string) {
	if m != nil {
		v = m.Word
	}
	return v
}

func (m *Ping) reset() { *m = Ping{} }

func (m *Ping) code(c *coder) {
	text(c, 1, &m.Word)
	c.rest(&m.unknown)
}

type Pong struct {
	Word    string
	unknown []byte // fields of a newer version, as they came
}

func (m *Pong) GetWord() (v string) {
	if m != nil {
		v = m.Word
	}
	return v
}

func (m *Pong) reset() { *m = Pong{} }

func (m *Pong) code(c *coder) {
	text(c, 1, &m.Word)
	c.rest(&m.unknown)
}

type Heartbeat struct {
	SentNs  int64  // wall time of the sender
	EchoNs  int64  // the peer's last sent_ns, 0 = none yet
	HeldNs  int64  // how long ago (monotonic) that arrived here
	unknown []byte // fields of a newer version, as they came
}

func (m *Heartbeat) GetSentNs() (v int64) {
	if m != nil {
		v = m.SentNs
	}
	return v
}

func (m *Heartbeat) GetEchoNs() (v int64) {
	if m != nil {
		v = m.EchoNs
	}
	return v
}

func (m *Heartbeat) GetHeldNs() (v int64) {
	if m != nil {
		v = m.HeldNs
	}
	return v
}

func (m *Heartbeat) reset() { *m = Heartbeat{} }

func (m *Heartbeat) code(c *coder) {
	varint(c, 1, &m.SentNs)
	varint(c, 2, &m.EchoNs)
	varint(c, 3, &m.HeldNs)
	c.rest(&m.unknown)
}

// Bye announces a planned silence.
type Bye struct {
	Cause   string // "stop", "reload", "upgrade", "shutdown", "deregister"; from a hub: "stop", "replaced", "difference"
	Text    string
	unknown []byte // fields of a newer version, as they came
}

func (m *Bye) GetCause() (v string) {
	if m != nil {
		v = m.Cause
	}
	return v
}

func (m *Bye) GetText() (v string) {
	if m != nil {
		v = m.Text
	}
	return v
}

func (m *Bye) reset() { *m = Bye{} }

func (m *Bye) code(c *coder) {
	text(c, 1, &m.Cause)
	text(c, 2, &m.Text)
	c.rest(&m.unknown)
}
