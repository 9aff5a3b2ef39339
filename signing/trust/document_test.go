package trust

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"
)

func certificate(t testing.TB) string {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func sample(t testing.TB) Document {
	return Document{
		HubKey:   bytes.Repeat([]byte{7}, ed25519.PublicKeySize),
		CA:       certificate(t),
		CoreRoot: []byte(`{"signed":"<core> & more"}` + "\n"),
		SiteRoot: []byte(`{"signed":"site"}`),
	}
}

func TestDocumentComesBackByteForByte(t *testing.T) {
	for _, ca := range []string{"", sample(t).CA, sample(t).CA + "\n" + sample(t).CA} {
		d := sample(t)
		d.CA = ca
		data, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := d.Marshal()
		if err != nil || !bytes.Equal(data, again) {
			t.Fatal("the same document gives other bytes")
		}
		back, err := ParseDocument(data, Hash(data))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(back.HubKey, d.HubKey) || back.CA != d.CA || !bytes.Equal(back.CoreRoot, d.CoreRoot) || !bytes.Equal(back.SiteRoot, d.SiteRoot) {
			t.Errorf("came back as %+v", back)
		}
	}
}

func TestDocumentFormatIsFixed(t *testing.T) {
	d := Document{HubKey: bytes.Repeat([]byte{7}, 32), CoreRoot: []byte("core"), SiteRoot: []byte("site")}
	data, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden := `{"version":1,"hub_key":"` + strings.Repeat("07", 32) + `","ca":"","core_root":"Y29yZQ==","site_root":"c2l0ZQ=="}`
	if string(data) != golden {
		t.Errorf("document is %s", data)
	}
}

func TestDocumentOtherThanNamedIsRefused(t *testing.T) {
	data, err := sample(t).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	want := Hash(data)
	for i := 0; i < len(data); i += 7 {
		bad := bytes.Clone(data)
		bad[i] ^= 1
		if _, err := ParseDocument(bad, want); !errors.Is(err, ErrDocument) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	if _, err := ParseDocument(nil, want); !errors.Is(err, ErrDocument) {
		t.Errorf("empty document: %v", err)
	}
}

func TestBadDocuments(t *testing.T) {
	key := strings.Repeat("07", 32)
	doc := func(version, key, ca, core, site, more string) string {
		return `{"version":` + version + `,"hub_key":"` + key + `","ca":"` + ca + `","core_root":"` + core + `","site_root":"` + site + `"` + more + `}`
	}
	if data := doc("1", key, "", "YQ==", "YQ==", ""); !parses(data) {
		t.Fatal("the sound one does not parse")
	}
	for name, data := range map[string]string{
		"newer version":     doc("2", key, "", "YQ==", "YQ==", ""),
		"no version":        strings.Replace(doc("1", key, "", "YQ==", "YQ==", ""), `"version":1,`, "", 1),
		"short key":         doc("1", key[2:], "", "YQ==", "YQ==", ""),
		"key not hex":       doc("1", "zz"+key[2:], "", "YQ==", "YQ==", ""),
		"no core root":      doc("1", key, "", "", "YQ==", ""),
		"no site root":      doc("1", key, "", "YQ==", "", ""),
		"root not base64":   doc("1", key, "", "?", "YQ==", ""),
		"ca not PEM":        doc("1", key, "hello", "YQ==", "YQ==", ""),
		"ca is a key":       doc("1", key, `-----BEGIN PRIVATE KEY-----\nYQ==\n-----END PRIVATE KEY-----\n`, "YQ==", "YQ==", ""),
		"ca no certificate": doc("1", key, `-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n`, "YQ==", "YQ==", ""),
		"unknown member":    doc("1", key, "", "YQ==", "YQ==", `,"extra":1`),
		"trailing data":     doc("1", key, "", "YQ==", "YQ==", "") + "{}",
		"not an object":     "[]",
		"cut short":         doc("1", key, "", "YQ==", "YQ==", "")[:50],
		"too long":          doc("1", key, "", strings.Repeat("YQ==", MaxDocument/4), "YQ==", ""),
	} {
		if parses(data) {
			t.Errorf("%s: accepted", name)
		}
	}
}

func parses(data string) bool {
	_, err := ParseDocument([]byte(data), Hash([]byte(data)))
	return err == nil
}

func TestMarshalRefusesWhatNobodyCouldRead(t *testing.T) {
	for name, change := range map[string]func(*Document){
		"no key":       func(d *Document) { d.HubKey = nil },
		"no core root": func(d *Document) { d.CoreRoot = nil },
		"no site root": func(d *Document) { d.SiteRoot = nil },
		"bad ca":       func(d *Document) { d.CA = "x" },
		"too long":     func(d *Document) { d.CoreRoot = make([]byte, MaxDocument) },
	} {
		d := sample(t)
		change(&d)
		if _, err := d.Marshal(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseDocument(f *testing.F) {
	data, err := sample(f).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`{}{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := ParseDocument(data, Hash(data))
		if err != nil {
			return
		}
		again, err := d.Marshal()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if back, err := ParseDocument(again, Hash(again)); err != nil || !bytes.Equal(back.CoreRoot, d.CoreRoot) {
			t.Fatalf("written document reads as %+v, %v", back, err)
		}
	})
}
