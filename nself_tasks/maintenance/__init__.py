"""Maintenance: one file of ours in nginx's tree answers every request with 503.

    docker-compose.yml ─► layout ─► snippet ─► place ─► stack ─► site
     mounts and ports      servers    text      file    reload   what the site answers

No byte that was there changes: nginx takes the first server of a name, and ours is read first.
"""
