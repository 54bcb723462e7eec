"""The embedded registrar, proxy and answering services, on loopback and in process."""
