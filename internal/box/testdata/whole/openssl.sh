# A key and a certificate: randomness, and the time.
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=tide.test -days 2 2>/dev/null
sha256sum key.pem cert.pem
openssl x509 -in cert.pem -noout -dates -serial
