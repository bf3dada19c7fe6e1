//! Reads a GraphQL text: queries, and the definitions that our schema is written in.
//!
//! What MLflow's schema has no use for cannot be read: interfaces, unions, extensions.

use super::document::{
    Arguments, Directive, DirectiveDefinition, Document, EnumValue, Field, FieldDefinition, Fragment,
    InputDefinition, Literal, Operation, OperationKind, Selection, Shape, Type, TypeRef, VariableDefinition,
};
use super::lex::{Lexer, SyntaxError, Token};

/// How deep braces and brackets may stand in each other, for the stack's sake. MLflow allows 10 levels of fields.
const MAX_NESTING: usize = 60;

type Result<T> = std::result::Result<T, SyntaxError>;

/// Reads a text.
///
/// # Errors
/// What could not be read, and where.
pub fn parse(text: &str) -> Result<Document> {
    let mut parser = Parser::new(text)?;
    let mut document = Document::default();
    while parser.token != Token::End {
        parser.definition(&mut document)?;
    }
    Ok(document)
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    /// Where `token` begins.
    at: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self> {
        let mut lexer = Lexer::new(text);
        let (token, at) = lexer.next()?;
        if token == Token::End {
            return Err(lexer.error(at, "it is empty".to_owned()));
        }
        Ok(Self { lexer, token, at, nesting: 0 })
    }

    fn definition(&mut self, document: &mut Document) -> Result<()> {
        let description = match &self.token {
            Token::Text(_) => self.text()?,
            _ => None,
        };
        match self.token {
            Token::Mark('{') if description.is_none() => {
                let selections = self.selections()?;
                let kind = OperationKind::Query;
                let (name, variables, directives) = (None, Vec::new(), Vec::new());
                document.operations.push(Operation { kind, name, variables, directives, selections });
            }
            Token::Name("query") => document.operations.push(self.operation(OperationKind::Query)?),
            Token::Name("mutation") => document.operations.push(self.operation(OperationKind::Mutation)?),
            Token::Name("subscription") => {
                document.operations.push(self.operation(OperationKind::Subscription)?)
            }
            Token::Name("fragment") => {
                let fragment = self.fragment()?;
                document.add_fragment(fragment);
            }
            Token::Name("directive") => document.directives.push(self.directive_definition(description)?),
            Token::Name("scalar" | "type" | "input" | "enum") => {
                document.types.push(self.type_definition(description)?)
            }
            _ => return Err(self.unexpected("a query, a mutation or a fragment")),
        }
        Ok(())
    }

    fn operation(&mut self, kind: OperationKind) -> Result<Operation> {
        self.advance()?;
        let name = match self.token {
            Token::Name(_) => Some(self.name()?),
            _ => None,
        };
        let variables = self.listed('(', ')', Self::variable)?;
        let directives = self.directives()?;
        Ok(Operation { kind, name, variables, directives, selections: self.selections()? })
    }

    fn variable(&mut self) -> Result<VariableDefinition> {
        self.mark('$')?;
        let name = self.name()?;
        self.mark(':')?;
        let ty = self.type_ref()?;
        let default = self.default()?;
        Ok(VariableDefinition { name, ty, default, directives: self.directives()? })
    }

    fn fragment(&mut self) -> Result<Fragment> {
        self.advance()?;
        if self.token == Token::Name("on") {
            return Err(self.unexpected("the fragment's name"));
        }
        let name = self.name()?;
        self.word("on")?;
        let on = self.name()?;
        let directives = self.directives()?;
        Ok(Fragment { name, on, directives, selections: self.selections()? })
    }

    fn selections(&mut self) -> Result<Vec<Selection>> {
        self.within(|parser| {
            let selections = parser.listed('{', '}', Self::selection)?;
            if selections.is_empty() { Err(parser.unexpected("'{'")) } else { Ok(selections) }
        })
    }

    fn selection(&mut self) -> Result<Selection> {
        if self.token == Token::Spread {
            return self.spread();
        }
        let first = self.name()?;
        let (alias, name) = match self.takes(':')? {
            true => (Some(first), self.name()?),
            false => (None, first),
        };
        let arguments = self.arguments()?;
        let directives = self.directives()?;
        let selections = match self.token {
            Token::Mark('{') => self.selections()?,
            _ => Vec::new(),
        };
        Ok(Selection::Field(Field { alias, name, arguments, directives, selections }))
    }

    fn spread(&mut self) -> Result<Selection> {
        self.advance()?;
        let on = match self.token {
            Token::Name("on") => {
                self.advance()?;
                Some(self.name()?)
            }
            Token::Name(_) => {
                let name = self.name()?;
                return Ok(Selection::Spread { name, directives: self.directives()? });
            }
            _ => None,
        };
        let directives = self.directives()?;
        Ok(Selection::Inline { on, directives, selections: self.selections()? })
    }

    fn arguments(&mut self) -> Result<Arguments> {
        self.listed('(', ')', |parser| {
            let name = parser.name()?;
            parser.mark(':')?;
            Ok((name, parser.literal()?))
        })
    }

    fn directives(&mut self) -> Result<Vec<Directive>> {
        let mut directives = Vec::new();
        while self.takes('@')? {
            let name = self.name()?;
            directives.push(Directive { name, arguments: self.arguments()? });
        }
        Ok(directives)
    }

    fn literal(&mut self) -> Result<Literal> {
        let literal = match &self.token {
            Token::Mark('$') => {
                self.advance()?;
                return Ok(Literal::Variable(self.name()?));
            }
            Token::Mark('[') => return self.within(Self::list),
            Token::Mark('{') => return self.within(Self::object),
            Token::Int(text) => Literal::Int((*text).to_owned()),
            Token::Float(text) => Literal::Float((*text).to_owned()),
            Token::Text(text) => Literal::Text(text.clone()),
            Token::Name("true") => Literal::Bool(true),
            Token::Name("false") => Literal::Bool(false),
            Token::Name("null") => Literal::Null,
            Token::Name(name) => Literal::Enum((*name).to_owned()),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance()?;
        Ok(literal)
    }

    fn list(&mut self) -> Result<Literal> {
        self.mark('[')?;
        let mut items = Vec::new();
        while !self.takes(']')? {
            items.push(self.literal()?);
        }
        Ok(Literal::List(items))
    }

    fn object(&mut self) -> Result<Literal> {
        self.mark('{')?;
        let mut fields = Vec::new();
        while !self.takes('}')? {
            let name = self.name()?;
            self.mark(':')?;
            fields.push((name, self.literal()?));
        }
        Ok(Literal::Object(fields))
    }

    fn type_ref(&mut self) -> Result<TypeRef> {
        let ty = match self.takes('[')? {
            true => {
                let inner = self.within(Self::type_ref)?;
                self.mark(']')?;
                TypeRef::List(Box::new(inner))
            }
            false => TypeRef::Named(self.name()?),
        };
        Ok(if self.takes('!')? { TypeRef::NonNull(Box::new(ty)) } else { ty })
    }

    fn default(&mut self) -> Result<Option<Literal>> {
        if self.takes('=')? { self.literal().map(Some) } else { Ok(None) }
    }

    fn type_definition(&mut self, description: Option<String>) -> Result<Type> {
        let keyword = self.name()?;
        let name = self.name()?;
        let shape = match keyword.as_str() {
            "scalar" => Shape::Scalar,
            "type" => Shape::Object(self.listed('{', '}', Self::field_definition)?),
            "input" => Shape::Input(self.listed('{', '}', Self::input_definition)?),
            _ => Shape::Enum(self.listed('{', '}', |parser| {
                Ok(EnumValue { description: parser.text()?, name: parser.name()? })
            })?),
        };
        Ok(Type { description, name, shape })
    }

    fn field_definition(&mut self) -> Result<FieldDefinition> {
        let (description, name) = (self.text()?, self.name()?);
        let arguments = self.listed('(', ')', Self::input_definition)?;
        self.mark(':')?;
        Ok(FieldDefinition { description, name, arguments, ty: self.type_ref()? })
    }

    fn input_definition(&mut self) -> Result<InputDefinition> {
        let (description, name) = (self.text()?, self.name()?);
        self.mark(':')?;
        let ty = self.type_ref()?;
        Ok(InputDefinition { description, name, ty, default: self.default()? })
    }

    fn directive_definition(&mut self, description: Option<String>) -> Result<DirectiveDefinition> {
        self.advance()?;
        self.mark('@')?;
        let name = self.name()?;
        let arguments = self.listed('(', ')', Self::input_definition)?;
        self.word("on")?;
        let mut locations = vec![self.name()?];
        while self.takes('|')? {
            locations.push(self.name()?);
        }
        Ok(DirectiveDefinition { description, name, arguments, locations })
    }

    /// One or more of something between two marks; none where the first mark is not there.
    fn listed<T>(
        &mut self,
        open: char,
        close: char,
        mut one: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut items = Vec::new();
        if self.takes(open)? {
            items.push(one(self)?);
            while !self.takes(close)? {
                items.push(one(self)?);
            }
        }
        Ok(items)
    }

    fn within<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            let message = format!("it is nested more than {MAX_NESTING} levels deep");
            return Err(self.lexer.error(self.at, message));
        }
        let result = inside(self);
        self.nesting -= 1;
        result
    }

    /// A text, if the next word is one.
    fn text(&mut self) -> Result<Option<String>> {
        match &self.token {
            Token::Text(text) => {
                let text = text.clone();
                self.advance()?;
                Ok(Some(text))
            }
            _ => Ok(None),
        }
    }

    fn name(&mut self) -> Result<String> {
        match self.token {
            Token::Name(name) => {
                self.advance()?;
                Ok(name.to_owned())
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if self.token == Token::Name(word) {
            self.advance()
        } else {
            Err(self.unexpected(&format!("'{word}'")))
        }
    }

    fn mark(&mut self, mark: char) -> Result<()> {
        if self.takes(mark)? { Ok(()) } else { Err(self.unexpected(&format!("'{mark}'"))) }
    }

    fn takes(&mut self, mark: char) -> Result<bool> {
        let found = self.token == Token::Mark(mark);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn advance(&mut self) -> Result<()> {
        (self.token, self.at) = self.lexer.next()?;
        Ok(())
    }

    fn unexpected(&self, wanted: &str) -> SyntaxError {
        let found = match &self.token {
            Token::Mark(mark) => format!("'{mark}'"),
            Token::Spread => "'...'".to_owned(),
            Token::Name(word) | Token::Int(word) | Token::Float(word) => {
                format!("'{}'", word.chars().take(40).collect::<String>())
            }
            Token::Text(_) => "a text".to_owned(),
            Token::End => "its end".to_owned(),
        };
        self.lexer.error(self.at, format!("expected {wanted}, found {found}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_in_all_its_parts() {
        let text = r#"
            query Q($a: [In!]! = [{x: 1}], $b: Int) @component(name: "n") {
              one: two(a: $a, b: [1, 2.5, true, null, ALL]) { ...F ... on T { x } ... { y } }
            }
            fragment F on T { z }
            mutation { m }
        "#;
        insta::assert_debug_snapshot!(parse(text).expect("a document"));
    }

    #[test]
    fn errors_say_where() {
        let said = |text: &str| match parse(text) {
            Ok(_) => "read".to_owned(),
            Err(error) => format!("{} at {}:{}", error.message, error.line, error.column),
        };
        let texts = [
            "",
            "  # nothing",
            "{",
            "{}",
            "{ a",
            "{ a(",
            "{ a() }",
            "{ a(b) }",
            "{ a(b: ) }",
            "query",
            "query Q",
            "query ($a) { a }",
            "fragment on T { a }",
            "fragment F { a }",
            "{ a } }",
            "{ ...on }",
            "{ a @ }",
            "frob { a }",
            "extend type T { a: Int }",
            "{ a(b: $) }",
            "\"text\" { a }",
        ];
        insta::assert_snapshot!(texts.map(|text| format!("{text} -> {}", said(text))).join("\n"));
    }

    #[test]
    fn depth_has_an_end() {
        let deep = |n: usize| format!("{}x{}", "{ a ".repeat(n), " }".repeat(n));
        assert!(parse(&deep(MAX_NESTING)).is_ok());
        assert!(parse(&deep(MAX_NESTING + 1)).is_err());
        assert!(parse(&format!("{{ a(b: {}", "[".repeat(100_000))).is_err());
        assert!(parse(&format!("query ($a: {}", "[".repeat(100_000))).is_err());
        assert!(parse(&"{a".repeat(100_000)).is_err());
    }
}
