package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Lives of certificates. The server's is renewed when a third of it is left; the CA's is in every trust document, so it is long.
const (
	caLife     = 10 * 365 * 24 * time.Hour
	serverLife = 398 * 24 * time.Hour // what browsers take at most
	renewAt    = serverLife / 3

	// backdate lets boxes whose clock is a little behind accept a fresh certificate.
	backdate = 24 * time.Hour
)

// issuer is the hub's own CA.
type issuer struct {
	cert *x509.Certificate
	pem  []byte
	key  crypto.Signer
}

// openIssuer reads the CA, or makes it. The key is written first: a CA without one is made anew, before anybody knows of it.
func openIssuer(dir string) (*issuer, error) {
	certName, keyName := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	data, err := os.ReadFile(certName)
	if errors.Is(err, os.ErrNotExist) {
		return newIssuer(certName, keyName)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("read %s: not a certificate", certName)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", certName, err)
	}
	key, err := readKey(keyName)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok || !sameKey(cert.PublicKey, signer.Public()) {
		return nil, fmt.Errorf("read %s: not the key of %s", keyName, certName)
	}
	return &issuer{cert: cert, pem: data, key: signer}, nil
}

func newIssuer(certName, keyName string) (*issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(keyName); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := writeKey(keyName, key); err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Limpet hub CA"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &issuer{cert: cert, pem: data, key: key}, writeFile(certName, data)
}

// serverCertificate reads the certificate to serve with, or makes one when it is missing, too old, or for other names.
func (i *issuer) serverCertificate(dir string, names []string, now time.Time) (*tls.Certificate, error) {
	name := filepath.Join(dir, "server.pem") // key and chain in one file, so that they always fit each other
	cert, err := tls.LoadX509KeyPair(name, name)
	if err == nil && serves(&cert, names, now) && cert.Leaf.CheckSignatureFrom(i.cert) == nil {
		return &cert, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := i.sign(key, names, now)
	if err != nil {
		return nil, fmt.Errorf("make server certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make server certificate: %w", err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := replaceFile(name, data); err != nil {
		return nil, err
	}
	if cert, err = tls.X509KeyPair(data, data); err != nil {
		return nil, fmt.Errorf("make server certificate: %w", err)
	}
	return &cert, nil
}

func (i *issuer) sign(key *ecdsa.PrivateKey, names []string, now time.Time) ([]byte, error) {
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Limpet hub"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	return x509.CreateCertificate(rand.Reader, template, i.cert, key.Public(), i.key)
}

// serves decides whether a certificate will do for these names for some time yet.
func serves(cert *tls.Certificate, names []string, now time.Time) bool {
	leaf := cert.Leaf
	if leaf == nil || now.Before(leaf.NotBefore) || leaf.NotAfter.Sub(now) < renewAt {
		return false
	}
	return !slices.ContainsFunc(names, func(n string) bool { return leaf.VerifyHostname(n) != nil })
}

// namesOf is what the certificate is for: what was given, and what the hub is called on its own machine.
func namesOf(given []string) []string {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, given...)
	if host, err := os.Hostname(); err == nil && validHost(host) {
		names = append(names, host)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// validHost says whether a hostname may stand in a certificate; some machines are called what no DNS name can be.
func validHost(host string) bool {
	return host != "" && len(host) <= 253 && !slices.ContainsFunc([]byte(host), func(c byte) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.'
	})
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic("crypto/rand: " + err.Error()) // never fails, see crypto/rand
	}
	return n
}

func sameKey(a, b crypto.PublicKey) bool {
	equal, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && equal.Equal(b)
}
