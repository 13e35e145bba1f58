// Verifies a C2SP tlog-tiles log with Go's own checksum-database client code
// (golang.org/x/mod/sumdb): nothing here knows Consent Service.
//
//	tlog-client PREFIX VERIFIER-KEY [OLD-CHECKPOINT-FILE]
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// reader fetches tiles; tlog.TileHashReader authenticates them against the tree head.
type reader struct{ prefix string }

func (r reader) Height() int { return 8 }

func (r reader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		// Go's paths name the tile's height, tlog-tiles' don't: it is always 8.
		data, err := get(r.prefix + "/tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	prefix, verifier := os.Args[1], must(note.NewVerifier(os.Args[2]))
	head := open(string(must(get(prefix+"/checkpoint"))), verifier)
	hashes := tlog.TileHashReader(head, reader{prefix})
	entries := int64(0)
	for bundle := int64(0); bundle*256 < head.N; bundle++ {
		for _, entry := range read(prefix, bundle, min(256, head.N-bundle*256)) {
			proof := must(tlog.ProveRecord(head.N, entries, hashes))
			check(tlog.CheckRecord(proof, head.N, head.Hash, entries, tlog.RecordHash(entry)))
			entries++
		}
	}
	if len(os.Args) > 3 {
		old := open(string(must(os.ReadFile(os.Args[3]))), verifier)
		proof := must(tlog.ProveTree(head.N, old.N, hashes))
		check(tlog.CheckTree(proof, head.N, head.Hash, old.N, old.Hash))
		fmt.Printf("consistent with %d\n", old.N)
	}
	fmt.Printf("verified %d entries\n", entries)
}

func open(text string, verifier note.Verifier) tlog.Tree {
	signed := must(note.Open([]byte(text), note.VerifierList(verifier)))
	lines := strings.Split(signed.Text, "\n")
	if lines[0] != verifier.Name() {
		log.Fatalf("checkpoint of %q", lines[0])
	}
	root := must(base64.StdEncoding.DecodeString(lines[2]))
	return tlog.Tree{N: must(strconv.ParseInt(lines[1], 10, 64)), Hash: tlog.Hash(root)}
}

func read(prefix string, bundle, width int64) [][]byte {
	path := strings.TrimPrefix(tlog.Tile{H: 8, L: 0, N: bundle, W: int(width)}.Path(), "tile/8/0/")
	data := bytes.NewReader(must(get(prefix + "/tile/entries/" + path)))
	var entries [][]byte
	for data.Len() > 0 {
		var length uint16
		check(binary.Read(data, binary.BigEndian, &length))
		entry := make([]byte, length)
		must(io.ReadFull(data, entry))
		entries = append(entries, entry)
	}
	if int64(len(entries)) != width {
		log.Fatalf("bundle %d holds %d entries, not %d", bundle, len(entries), width)
	}
	return entries
}

func get(url string) ([]byte, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.ReadAll(answer.Body)
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
