# Random numbers: random, secrets, os.urandom, SystemRandom, ssl.
import os
import random
import secrets
import ssl

print(random.random(), random.sample(range(100), 10), random.gauss(0, 1))
print(secrets.token_hex(16), secrets.choice("abcdef"))
print(os.urandom(16).hex(), os.getrandom(8).hex(), random.SystemRandom().random())
print(ssl.RAND_bytes(16).hex())
print(open("/dev/urandom", "rb").read(8).hex())
